// Maps side by side: one column per method, one row per class or image; under each what the checks say.

import { failureOf, limitsFor, reachOf, shownValues } from "../../draw/attribution_map.ts";
import { colorOf, type Limits } from "../../draw/colors.ts";
import { isTrace, shownSize } from "../../draw/framed.ts";
import { type Legend, legend } from "../../draw/legend.ts";
import { tabled } from "../../draw/signed.ts";
import { drawTokens, type TokenDrawing, tokenAt } from "../../draw/token_canvas.ts";
import { u8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import { amount } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { type Tokens, tokensOf, tokenWords } from "../../model/tokens.ts";
import type { AttributionPayload, MethodName, Row } from "../../model/traits.ts";
import { h, onResize, pictured, say, sized, textured } from "../../ui/dom.ts";
import { reducedWords, short } from "../../ui/format.ts";
import { placeOf } from "../../ui/place.ts";
import { pointOn } from "../../ui/pointer.ts";
import { plural, t } from "../../ui/text.ts";
import { checkName, className, scoreName } from "../../ui/words.ts";
import { drawCurves } from "./evidence.ts";
import { partsOf } from "./superpixels.ts";

const SIDE = 224;
const MARKS: Record<string, string> = { good: "✓", doubtful: "?", bad: "✗", plain: "·" };

interface Cell {
  row: number;
  method: MethodName;
  canvas: HTMLCanvasElement;
  scale: Legend;
  words: HTMLElement;
  empty: HTMLElement;
  values: Float32Array | null;
  reach: number;
  clipped: number;
  /** Of a text: where its tokens were drawn. */
  drawn: TokenDrawing | null;
}

/** The map of a cell as it was sent; null where there is none. */
function sent(context: Context, row: number, method: MethodName): AttributionPayload | null {
  const map = context.get(`map_${method}`)?.[row];
  return map && !("error" in map) ? map : null;
}

export function gridPane(context: Context, scene: Scene): HTMLElement {
  const grid = h("div", { class: "nn-maps" });
  const reading = h("div", { class: "nn-soft nn-line nn-name", "aria-live": "off" });
  let cells: Cell[] = [];
  let columns: { method: MethodName; head: HTMLElement; cost: HTMLElement; strip: HTMLElement }[] = [];
  const of = h("div", { class: "nn-map-line nn-soft" });
  let photos: (HTMLImageElement | null)[] = [];
  let point: [number, number] | null = null;
  let pointed: Cell | null = null;

  const titleOf = (method: MethodName) =>
    context.get("known_methods").find(({ name }) => name === method)?.title ?? method;
  const passesOf = (method: MethodName) =>
    context.get("known_methods").find(({ name }) => name === method)?.passes ?? 0;

  const build = () => {
    const methods = context.get("methods");
    const rows = context.get("rows");
    const hidden = context.get("hide");
    grid.style.setProperty("--nn-methods", String(methods.length));
    photos = rows.map((row) => (row.photo ? pictured(u8(row.photo.data), () => draw()) : null));
    columns = methods.map((method) => {
      const remove = h(
        "button",
        { type: "button", class: "nn-tiny", "aria-label": t("remove {name}", { name: titleOf(method) }) },
        "×",
      );
      remove.hidden = !context.live || methods.length === 1 || hidden.includes("controls");
      context.listen(remove, "click", () => context.set({ methods: methods.filter((other) => other !== method) }));
      const cost = h("span", { class: "nn-soft" });
      const head = h(
        "div",
        { class: "nn-map-head" },
        h("span", { class: "nn-row" }, h("strong", { class: "nn-grow" }, titleOf(method)), remove),
        cost,
      );
      return { method, head, cost, strip: h("div", { class: "nn-strip-of-checks" }) };
    });
    cells = [];
    const lines: HTMLElement[] = columns.map((column) => column.head);
    rows.forEach((row, number) => {
      const label = h("span", { class: "nn-name nn-grow" });
      say(label, rowWords(row, rows));
      const remove = h(
        "button",
        { type: "button", class: "nn-tiny", "aria-label": t("remove {name}", { name: row.label }) },
        "×",
      );
      remove.hidden = !context.live || number === 0 || Boolean(row.photo) || hidden.includes("controls");
      context.listen(remove, "click", () =>
        context.set({ other_targets: context.get("other_targets").filter((target) => target !== row.target), row: 0 }),
      );
      const choose = h("button", { type: "button", class: "nn-map-row" }, label);
      context.listen(choose, "click", () => context.set({ row: number }));
      lines.push(h("div", { class: "nn-map-line", "data-row": number }, choose, remove));
      for (const method of methods) {
        const cell: Cell = {
          row: number,
          method,
          canvas: h("canvas", { class: "nn-map", tabindex: 0, role: "img" }),
          scale: legend(),
          words: h("div", { class: "nn-soft nn-map-words" }),
          empty: h("div", { class: "nn-soft nn-warning" }),
          values: null,
          reach: 0,
          clipped: 0,
          drawn: null,
        };
        listen(cell);
        cells.push(cell);
        lines.push(h("div", { class: "nn-map-cell" }, cell.canvas, cell.empty, cell.scale.element, cell.words));
      }
    });
    const strips = hidden.includes("evidence") ? [] : [of, ...columns.map((column) => column.strip)];
    if (isTrace(context.get("photo"))) {
      // One column: each method with its maps and its checks.
      const own = (at: number) =>
        cells.filter((cell) => cell.method === methods[at]).map((cell) => cell.canvas.parentElement!);
      const labels = lines.filter((line) => line.classList.contains("nn-map-line"));
      grid.replaceChildren(
        ...labels,
        ...columns.flatMap((column, at) => [column.head, ...own(at), ...(strips.length ? [column.strip] : [])]),
      );
    } else grid.replaceChildren(...lines, ...strips);
    draw();
    tell();
  };

  const rowWords = (row: Row, rows: Row[]): string => {
    const number = `${className(row.label)} ${amount(context, row.probability)}`;
    return rows.some((other) => other.photo) ? `${row.image}: ${number}` : t("why {score}?", { score: number });
  };

  const listen = (cell: Cell) => {
    const { canvas } = cell;
    const choose = () => context.set({ method: cell.method, row: cell.row });
    context.listen(canvas, "click", choose);
    context.listen(canvas, "keydown", (event: KeyboardEvent) => {
      const at = cells.indexOf(cell);
      const across = columns.length;
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - across, ArrowDown: at + across }[event.key];
      if (event.key === "Enter" || event.key === " ") choose();
      else if (to !== undefined && cells[to]) {
        cells[to].canvas.focus();
        context.set({ method: cells[to].method, row: cells[to].row });
      } else return;
      event.preventDefault();
    });
    context.listen(canvas, "pointermove", (event: PointerEvent) => {
      point = pointOn(canvas, event);
      pointed = cell;
      read();
    });
    context.listen(canvas, "pointerleave", () => {
      point = null;
      read();
    });
  };

  const read = () => {
    if (!point) {
      say(reading, "");
      return;
    }
    const row = context.get("row");
    const shown = cells.filter((cell) => cell.row === row && cell.values);
    const tokens = tokensOf(context.find("text"));
    if (tokens) {
      const cell = pointed && shown.includes(pointed) ? pointed : shown[0];
      const token = cell?.drawn ? tokenAt(cell.drawn, cell.canvas.clientWidth, point[0], point[1]) : null;
      const values = shown.map((other) => `${titleOf(other.method)} ${short(other.values![token ?? 0], 2)}`);
      say(reading, token === null ? "" : `${tokenWords(context, token)}: ${values.join(" · ")}`);
      return;
    }
    const parts = shown.map((cell) => {
      const map = sent(context, cell.row, cell.method)!;
      const inside = (part: number, count: number) => Math.min(count - 1, Math.max(0, Math.floor(part * count)));
      const at = inside(point![0], map.rows) * map.columns + inside(point![1], map.columns);
      return `${titleOf(cell.method)} ${short(cell.values![at], 2)}`;
    });
    const { width, height } = context.get("rows")[row]?.photo ?? context.get("photo");
    const place = placeOf(context, [Math.floor(point[0] * height), Math.floor(point[1] * width)]);
    say(reading, `${place}: ${parts.join(" · ")}`);
  };

  /** The largest values that share a scale with a cell's. */
  const family = (cell: Cell): Cell[] => {
    const way = context.get("maps_scale");
    if (way === "all") return cells.filter((other) => other.values);
    return way === "method" ? cells.filter((other) => other.values && other.method === cell.method) : [cell];
  };

  const draw = () => {
    const signs = context.get("signs");
    for (const cell of cells) {
      const map = sent(context, cell.row, cell.method);
      cell.values = map?.data ? shownValues(map, signs) : null;
      if (!cell.values) continue;
      ({ reach: cell.reach, clipped: cell.clipped } = reachOf(cell.values));
      // Of a few tokens none is an outlier.
      if (context.find("text"))
        cell.reach = cell.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    }
    for (const cell of cells) paint(cell);
    read();
  };

  const paint = (cell: Cell) => {
    const map = sent(context, cell.row, cell.method);
    const chosen = cell.row === context.get("row") && cell.method === context.get("method");
    cell.canvas.classList.toggle("nn-chosen", chosen);
    const error = failureOf(context.get(`map_${cell.method}`)?.[cell.row]);
    const waiting = context.live
      ? plural("waiting: {count} pass", "waiting: {count} passes", passesOf(cell.method))
      : t("not stored in this page");
    say(cell.empty, error || (map ? "" : waiting));
    cell.empty.hidden = Boolean(map && !error);
    cell.canvas.hidden = Boolean(error);
    cell.scale.element.hidden = !cell.values || map!.zero;
    const tokens = tokensOf(context.find("text"));
    if (tokens) paintTokens(cell, tokens);
    else paintMap(cell);
    const label = className(context.get("rows")[cell.row]?.label ?? "");
    const says = error || map?.words || t("not computed yet");
    cell.canvas.setAttribute(
      "aria-label",
      t("{method} of {label}: {words}", { method: titleOf(cell.method), label, words: says }),
    );
    if (!map || !cell.values) {
      say(cell.words, "");
      return;
    }
    cell.canvas.title = map.words;
    cell.canvas.classList.toggle("nn-growing", map.done < 1);
    const same = family(cell);
    const limits = limitsIn(cell);
    cell.scale.show(limits, scene.table(limits));
    const clipped =
      cell.clipped && same.length === 1 && !tokens
        ? plural(
            "colours end at {limit}: {count} pixel is beyond",
            "colours end at {limit}: {count} pixels are beyond",
            cell.clipped,
            { limit: short(limits[1], 2) },
          )
        : "";
    const reduced = map.step > 1 ? reducedWords(map.step) : "";
    const parts = [
      map.zero ? t("all zero") : "",
      map.done < 1 ? t("{percent} % done", { percent: Math.round(100 * map.done) }) : "",
      clipped,
      reduced,
    ];
    say(cell.words, parts.filter(Boolean).join(" · "));
  };

  /** The limits of the colours of a cell that has values. */
  const limitsIn = (cell: Cell): Limits => {
    const same = family(cell);
    return limitsFor(
      same.map((other) => other.values!),
      Math.max(...same.map((other) => other.reach)),
    );
  };

  /** The text, each token on the colour of its contribution. */
  const paintTokens = (cell: Cell, tokens: Tokens) => {
    const limits = cell.values && limitsIn(cell);
    const table = limits && scene.table(limits);
    const pieces = Array.from({ length: tokens.count }, (_, token) => tokens.piece(token));
    cell.drawn = drawTokens(
      cell.canvas,
      pieces,
      cell.canvas.clientWidth || SIDE,
      context.color("--nn-ink"),
      context.color("--nn-accent"),
      (token) => ({ color: limits && table ? colorOf(cell.values![token], limits, table) : null }),
    );
  };

  /** The map over the greyed photograph. */
  const paintMap = (cell: Cell) => {
    const map = sent(context, cell.row, cell.method);
    const photo = photos[cell.row] ?? scene.photo.image;
    const shown = context.get("rows")[cell.row]?.photo ?? context.get("photo");
    const [width, height] = shownSize(shown);
    const ratio = height / width;
    const side = isTrace(shown) ? 3 * SIDE : SIDE;
    const [across, down] = ratio > 1 ? [side / ratio, side] : [side, side * ratio];
    const pen = sized(cell.canvas, across, down);
    const opacity = context.get("opacity");
    if (photo instanceof HTMLCanvasElement || (photo?.complete && photo.naturalWidth)) {
      pen.filter = opacity > 0 ? "grayscale(1)" : "none";
      pen.drawImage(photo, 0, 0, across, down);
      pen.filter = "none";
    }
    if (!map || !cell.values) return;
    const limits = limitsIn(cell);
    const table = scene.table(limits);
    pen.globalAlpha = opacity;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(textured(tabled(cell.values, limits, table), map.rows, map.columns), 0, 0, across, down);
    const rows = context.get("rows");
    const sameImage = !rows[cell.row]?.photo && !rows[context.get("row")]?.photo;
    const superpixels = map.surrogate && (sameImage || cell.row === context.get("row")) ? partsOf(context) : null;
    pen.globalAlpha = 0.5;
    if (superpixels) pen.drawImage(superpixels.lines, 0, 0, across, down);
    pen.globalAlpha = 1;
  };

  const tell = () => {
    const row = context.get("row");
    const about = context.get("rows")[row];
    const name = `${about?.photo ? `${about.image}, ` : ""}${className(about?.label ?? "")}`;
    say(of, t("results of the checks · {name}", { name }));
    for (const { method, cost, strip } of columns) {
      const map = sent(context, row, method);
      const [forwards, backwards] = [map?.forwards ?? 0, map?.backwards ?? 0];
      const passes = !map?.data
        ? plural("about {count} pass", "about {count} passes", passesOf(method))
        : backwards
          ? t("{forwards} forward, {backwards} backward", { forwards, backwards })
          : t("{forwards} forward", { forwards });
      const explains = map?.score ? ` · ${scoreName(map.score)}` : "";
      say(cost, `${passes}${explains}`);
      strip.replaceChildren(...checks(context, row, method));
      const canvas = strip.querySelector("canvas");
      // Its width is known once it is attached to the page.
      const curves = context.get(`evidence_${method}`)?.[row]?.curves;
      if (canvas && curves) drawCurves(context, canvas, curves, 232, 76);
    }
    grid.querySelectorAll<HTMLElement>("[data-row]").forEach((line) => {
      line.classList.toggle("nn-chosen", Number(line.dataset.row) === row && context.get("rows").length > 1);
    });
  };

  const checks = (context: Context, row: number, method: MethodName): HTMLElement[] => {
    const evidence = context.get(`evidence_${method}`)?.[row];
    if (!evidence)
      return [h("div", { class: "nn-soft" }, sent(context, row, method)?.data ? t("not checked yet") : "")];
    const parts: HTMLElement[] = [];
    if (evidence.curves) {
      const canvas = h("canvas", { class: "nn-curve", role: "img" });
      parts.push(canvas);
    }
    const chips = evidence.findings.map(([check, verdict, words]) =>
      h("span", { class: `nn-chip nn-${verdict}`, title: words }, `${MARKS[verdict]} ${checkName(check)}`),
    );
    parts.push(h("div", { class: "nn-chips" }, ...chips));
    const [gravest] = evidence.findings;
    if (gravest && gravest[1] !== "good") parts.push(h("div", { class: "nn-soft" }, gravest[2]));
    const button = h("button", { type: "button", class: "nn-more-of" }, t("the evidence"));
    context.listen(button, "click", () => context.set({ method }));
    parts.push(button);
    return parts;
  };

  const maps = () => context.get("known_methods").map(({ name }) => `map_${name}` as const);
  const evidence = () => context.get("known_methods").map(({ name }) => `evidence_${name}` as const);
  scene.photo.onLoad(draw);
  context.onTheme(() => {
    draw();
    tell();
  });
  onResize(context, grid, () => {
    tell();
    if (context.find("text")) draw();
  });
  context.watch(["rows", "methods"], build);
  context.watch([...maps(), "signs", "maps_scale", "opacity", "row", "method", "photo", "superpixels"], draw);
  context.watch([...maps(), ...evidence(), "row", "method", "known_methods"], tell);
  return h("div", {}, grid, reading);
}
