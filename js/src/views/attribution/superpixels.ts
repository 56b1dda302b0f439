// The photograph with its superpixels: click one to switch it off; and what a linear model of them says.

import { borders, strongest } from "../../draw/attribution_map.ts";
import { packedHex } from "../../draw/colors.ts";
import { framed, isTrace } from "../../draw/framed.ts";
import { drawTokens, type TokenDrawing, tokenAt } from "../../draw/token_canvas.ts";
import { u8, u16 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import { amount } from "../../model/meaning.ts";
import type { Picture } from "../../model/photo.ts";
import type { Scene } from "../../model/scene.ts";
import { type Tokens, tokensOf } from "../../model/tokens.ts";
import type { RowPhoto } from "../../model/traits.ts";
import { openButton, webcamButton } from "../../shell/images.ts";
import { toolbar } from "../../ui/controls.ts";
import { h, onResize, pictured, say, textured } from "../../ui/dom.ts";
import { fixed, short, signed } from "../../ui/format.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { placeOf } from "../../ui/place.ts";
import { cellOn, pointOn } from "../../ui/pointer.ts";
import { plural, t, whole } from "../../ui/text.ts";
import { className } from "../../ui/words.ts";

const LISTED = 10;
const SURROGATES = ["lime", "kernel_shap"] as const;

interface Parts {
  rows: number;
  columns: number;
  count: number;
  labels: Uint16Array;
  lines: HTMLCanvasElement;
}

const hovering = new WeakMap<Scene, { part: number | null; react: (() => void)[] }>();

function hoverOf(scene: Scene): { part: number | null; react: (() => void)[] } {
  if (!hovering.has(scene)) hovering.set(scene, { part: null, react: [] });
  return hovering.get(scene)!;
}

const decoded: WeakMap<object, Parts> = new WeakMap();

/** The selected row's superpixels, decoded once. */
export function partsOf(context: Context): Parts | null {
  const raw = context.get("superpixels");
  if (!raw?.data) return null;
  let parts = decoded.get(raw);
  if (!parts) {
    const labels = u16(raw.data);
    const edge = borders(labels, raw.rows, raw.columns);
    const ink = Uint32Array.from(edge, (isEdge) => (isEdge ? 0xffffffff : 0));
    parts = {
      rows: raw.rows,
      columns: raw.columns,
      count: raw.count,
      labels,
      lines: textured(ink, raw.rows, raw.columns),
    };
    decoded.set(raw, parts);
  }
  return parts;
}

/** The tokens of a part of a text, as one word; null where the parts are those of an image. */
function wordOf(context: Context, part: number): string | null {
  const [tokens, parts] = [tokensOf(context.find("text")), partsOf(context)];
  if (!tokens || !parts) return null;
  const own = Array.from({ length: tokens.count }, (_, token) => token).filter((token) => parts.labels[token] === part);
  return (
    own
      .map((token) => tokens.piece(token))
      .join("")
      .trim() || own.map((token) => JSON.stringify(tokens.piece(token))).join("")
  );
}

/** Each superpixel's own mean colour, which replaces it when it is off. */
function meanColours(photo: Picture, { rows, columns, count, labels }: Parts): Uint32Array {
  const pen = h("canvas", { width: columns, height: rows }).getContext("2d")!;
  pen.drawImage(photo, 0, 0, columns, rows);
  const { data } = pen.getImageData(0, 0, columns, rows);
  const sums = new Float64Array(4 * count);
  labels.forEach((part, at) => {
    for (let channel = 0; channel < 3; channel++) sums[4 * part + channel] += data[4 * at + channel] ?? 0;
    sums[4 * part + 3] += 1;
  });
  return Uint32Array.from({ length: count }, (_, part) => {
    const [r, g, b] = [0, 1, 2].map((channel) => Math.round(sums[4 * part + channel] / (sums[4 * part + 3] || 1)));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

/** Switch a superpixel off, or on again; a saved page knows what each does alone. */
function toggled(context: Context, part: number): void {
  const off = context.get("switched_off");
  if (!context.live) {
    const held = context.choices("switched_off") ?? [];
    if (off.includes(part)) context.set({ switched_off: [], switched_scores: null });
    else if (held.includes(String(part))) context.set({ switched_off: [part] });
    return;
  }
  context.set({
    switched_off: off.includes(part) ? off.filter((other) => other !== part) : [...off, part].sort((a, b) => a - b),
  });
}

export function switchesPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const reading = h("div", { class: "nn-reading" });
  const words = h("span", { class: "nn-soft nn-name" });
  const title = heading();
  const all = h("button", { type: "button" }, t("all on"));
  const hover = hoverOf(scene);
  let own: { raw: RowPhoto; image: HTMLImageElement } | null = null;

  /** The selected row: its picture, its class, its probability as it is. */
  const chosen = () => context.get("rows")[context.get("row")] ?? context.get("rows")[0];
  const picture = (): Picture | null => {
    const raw = chosen()?.photo;
    if (!raw) return scene.photo.image;
    if (own?.raw !== raw) own = { raw, image: pictured(u8(raw.data), () => draw()) };
    return own!.image.complete && own!.image.naturalWidth ? own!.image : null;
  };
  context.listen(all, "click", () => context.set({ switched_off: [], switched_scores: null }));

  const partAt = (event: PointerEvent): number | null => {
    const parts = partsOf(context);
    if (!parts) return null;
    if (drawn) {
      const token = tokenAt(drawn, canvas.clientWidth, ...pointOn(canvas, event));
      return token === null ? null : parts.labels[token];
    }
    const [row, column] = cellOn(canvas, event, parts.rows, parts.columns);
    return parts.labels[row * parts.columns + column];
  };
  const move = (part: number | null) => {
    if (part === hover.part) return;
    hover.part = part;
    for (const react of hover.react) react();
  };
  context.listen(canvas, "pointermove", (event: PointerEvent) => move(partAt(event)));
  context.listen(canvas, "pointerleave", () => move(null));
  context.listen(canvas, "click", (event: PointerEvent) => {
    const part = partAt(event);
    if (part !== null) toggled(context, part);
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const parts = partsOf(context);
    if (!parts) return;
    if (event.key === "ArrowRight" || event.key === "ArrowDown") move(((hover.part ?? -1) + 1) % parts.count);
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp")
      move(((hover.part ?? 0) - 1 + parts.count) % parts.count);
    else if ((event.key === "Enter" || event.key === " ") && hover.part !== null) toggled(context, hover.part);
    else if (event.key === "Escape") context.set({ switched_off: [], switched_scores: null });
    else return;
    event.preventDefault();
  });

  let drawn: TokenDrawing | null = null;
  const drawText = (tokens: Tokens) => {
    const parts = partsOf(context);
    const off = new Set(context.get("switched_off"));
    const pieces = Array.from({ length: tokens.count }, (_, token) => tokens.piece(token));
    const [ink, accent] = [context.color("--nn-ink"), context.color("--nn-accent")];
    drawn = drawTokens(canvas, pieces, canvas.clientWidth || 220, ink, accent, (token) => {
      const part = parts?.labels[token];
      return {
        color: null,
        crossed: part !== undefined && off.has(part),
        framed: part !== undefined && part === hover.part,
      };
    });
  };
  const draw = () => {
    const tokens = tokensOf(context.find("text"));
    if (tokens) {
      drawText(tokens);
      return;
    }
    const { width, height } = chosen()?.photo ?? context.get("photo");
    const pen = framed(canvas, chosen()?.photo ?? context.get("photo"));
    const photo = picture();
    if (photo) pen.drawImage(photo, 0, 0, width, height);
    const parts = partsOf(context);
    if (!parts) return;
    const off = new Set(context.get("switched_off"));
    const means = off.size && photo && !isTrace(context.get("photo")) ? meanColours(photo, parts) : null;
    const hovered = packedHex(context.color("--nn-accent"), 102);
    const shade = Uint32Array.from(parts.labels, (part) => {
      if (off.has(part)) return means?.[part] ?? 0xff808080;
      return part === hover.part ? hovered : 0;
    });
    pen.imageSmoothingEnabled = false;
    pen.drawImage(textured(shade, parts.rows, parts.columns), 0, 0, width, height);
    pen.globalAlpha = 0.7;
    pen.drawImage(parts.lines, 0, 0, width, height);
    pen.globalAlpha = 1;
  };

  const tell = () => {
    const off = context.get("switched_off");
    const parts = partsOf(context);
    const row = chosen();
    const switched = context.get("switched_scores");
    // Rows without a picture of their own are classes of one image.
    const sameImage = !row?.photo && !(switched && context.get("rows")[switched.row]?.photo);
    const known =
      switched && String(switched.off) === String(off) && (sameImage || switched.row === context.get("row"));
    const now = known ? switched.probability[switched.classes.indexOf(row.target)] : undefined;
    const after = off.length ? ` → ${now === undefined ? "…" : amount(context, now)}` : "";
    say(reading, row ? `${className(row.label)} ${amount(context, row.probability)}${after}` : "");
    reading.classList.toggle("nn-stale", off.length > 0 && !known);
    all.hidden = !off.length;
    const held = context.live ? null : context.choices("switched_off");
    const what = parts ? switchWords(parts.count, off.length, held) : "";
    say(words, what);
    words.title = what;
    say(title, row?.image ?? context.get("photo").name);
    canvas.style.cursor = parts && !(held && !held.length) ? "pointer" : "default";
    canvas.setAttribute(
      "aria-label",
      `${row?.image ?? context.get("photo").name}: ${context.get("photo").shown_as}${what ? `, ${what}` : ""}`,
    );
  };
  /** How many superpixels there are, how many are off, and how to switch them. */
  const switchWords = (count: number, off: number, held: string[] | null): string => {
    const counted = context.find("text")
      ? plural("{count} word or mark", "{count} words and marks", count)
      : isTrace(context.get("photo"))
        ? plural("{count} part", "{count} parts", count)
        : plural("{count} superpixel", "{count} superpixels", count);
    const superpixels = context.get("superpixels")?.words || counted;
    if (held && !held.length)
      return plural(
        "{count} superpixel; switching it off needs a running kernel: this is a saved page",
        "{count} superpixels; switching them off needs a running kernel: this is a saved page",
        count,
      );
    if (off) return t("{superpixels}, {off} off", { superpixels, off });
    return held
      ? t("{superpixels}: click one to switch it off", { superpixels })
      : t("{superpixels}: click any to switch them off", { superpixels });
  };
  hover.react.push(draw);
  scene.photo.onLoad(draw);
  context.onTheme(draw);
  onResize(context, canvas, () => drawn && draw());
  context.watch(["photo", "superpixels", "switched_off", "row", "rows"], draw);
  context.watch(["photo", "superpixels", "switched_off", "switched_scores", "row", "rows"], tell);
  return picturePane(
    title,
    canvas,
    [reading],
    [words],
    context.find("text") ? toolbar([all]) : toolbar([all, openButton(context)], [webcamButton(context)]),
  );
}

/** A superpixel, a word, or a part of a signal, by its name. */
function partName(context: Context, part: number): string {
  const word = wordOf(context, part);
  if (word !== null) return `“${word}”`;
  if (!isTrace(context.get("photo"))) return t("superpixel {part}", { part });
  const labels = Array.from(partsOf(context)?.labels ?? []);
  const [first, last] = [labels.indexOf(part), labels.lastIndexOf(part)];
  const [from, to] = [first, last].map((column) => placeOf(context, [0, column]));
  return first === last ? from : `${from} – ${to}`;
}

/** What a part contributes, with its interval. */
function tip(numbers: Record<string, string | number>, unsure: boolean): string {
  return unsure
    ? t("{part}: {value}, 95 % interval {low} … {high}: it may have either sign; click to switch it off", numbers)
    : t("{part}: {value}, 95 % interval {low} … {high}; click to switch it off", numbers);
}

/** The superpixels with the largest effects, with the intervals of their coefficients. */
export function surrogatePane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const list = h("div", { class: "nn-links" });
  const words = h("div", { class: "nn-soft" });
  const hover = hoverOf(scene);
  let buttons: { part: number; button: HTMLElement }[] = [];

  const draw = () => {
    const row = context.get("row");
    const chosen = context.get("method");
    const method =
      SURROGATES.find((name) => name === chosen) ?? SURROGATES.find((name) => context.get("methods").includes(name));
    const map = method && context.get(`map_${method}`)?.[row];
    const surrogate = map && "surrogate" in map ? map.surrogate : null;
    const about = context.get("rows")[row];
    pane.hidden = !method;
    const name = method === "lime" ? "LIME" : "KernelSHAP";
    const values = { method: name, label: className(about?.label ?? "") };
    const parts = context.find("text")
      ? t("words · {method} of {label}", values)
      : isTrace(context.get("photo"))
        ? t("parts · {method} of {label}", values)
        : t("superpixels · {method} of {label}", values);
    say(title, method ? parts : "");
    if (!surrogate) {
      list.replaceChildren();
      say(words, !method ? "" : context.live ? t("computing…") : t("not stored in this page"));
      return;
    }
    const shown = strongest(surrogate, LISTED);
    const reach = Math.max(
      1e-12,
      ...shown.map((part) => Math.max(Math.abs(surrogate.low[part]), Math.abs(surrogate.high[part]))),
    );
    buttons = shown.map((part) => {
      const value = surrogate.coefficients[part];
      const bar = h("span", { class: value < 0 ? "nn-less" : "nn-more" });
      bar.style.cssText = `width:${(50 * Math.abs(value)) / reach}%;${value < 0 ? "right:50%" : "left:50%"}`;
      const line = h("span", { class: "nn-interval" });
      line.style.cssText = `left:${50 + (50 * surrogate.low[part]) / reach}%;right:${50 - (50 * surrogate.high[part]) / reach}%`;
      const unsure = surrogate.low[part] < 0 && surrogate.high[part] > 0;
      const off = context.get("switched_off").includes(part);
      const name = partName(context, part);
      const [low, high] = [signedShort(surrogate.low[part]), signedShort(surrogate.high[part])];
      const called = off ? t("off: {part}", { part: name }) : name;
      const numbers = { part: name, value: signedShort(value), low, high };
      const button = h(
        "button",
        { type: "button", class: "nn-link", "aria-pressed": String(off), title: tip(numbers, unsure) },
        h("span", { class: "nn-name" }, unsure ? `${called} ?` : called),
        h("span", { class: "nn-balance" }, bar, line),
        h("span", { class: "nn-number" }, signedShort(value)),
      );
      context.listen(button, "click", () => toggled(context, part));
      context.listen(button, "pointerenter", () => point(part));
      context.listen(button, "pointerleave", () => point(null));
      return { part, button };
    });
    list.replaceChildren(...buttons.map(({ button }) => button));
    const unsure = surrogate.coefficients.filter(
      (_, part) => surrogate.low[part] < 0 && surrogate.high[part] > 0,
    ).length;
    const r2 = surrogate.r2 === null || surrogate.r2 === undefined ? t("not defined") : fixed(surrogate.r2, 2);
    say(
      words,
      t(
        "R² {r2} over {samples} samples; the line is the 95 % interval; {unsure} of {count} parts may have either sign (?). Orange supports the class, blue opposes it.",
        { r2, samples: whole(surrogate.samples), unsure, count: surrogate.coefficients.length },
      ),
    );
  };
  const point = (part: number | null) => {
    hover.part = part;
    for (const react of hover.react) react();
  };
  const mark = () => {
    for (const { part, button } of buttons) button.classList.toggle("nn-hovered", part === hover.part);
  };
  hover.react.push(mark);
  const pane = h("div", {}, title, list, words);
  context.watch(["map_lime", "map_kernel_shap", "row", "rows", "method", "methods", "switched_off"], draw);
  return pane;
}

const signedShort = (value: number) =>
  Math.abs(value) >= 0.1 ? signed(value) : `${value > 0 ? "+" : ""}${short(value, 2)}`;
