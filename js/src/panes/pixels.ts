// What the unit's activation draws from each pixel; or, from a unit that is kept, from the selected layer.

import { i8 } from "../lib/arrays.ts";
import { type Context, NEEDS_KERNEL } from "../lib/context.ts";
import { choice, h, say, sized, textured, toggle } from "../lib/dom.ts";
import { short } from "../lib/format.ts";
import { legend } from "../lib/legend.ts";
import { coloured, flat, limitsIn, type Look, type Signed, smoothed, tabled } from "../lib/pixels.ts";
import type { Scene } from "../lib/scene.ts";
import { heldWords, unitLinks } from "./links.ts";

const SIDE = 320;

export function pixelsPane(context: Context, scene: Scene): HTMLElement {
  const title = h("h4");
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img" });
  const words = h("div", { class: "nn-soft" });
  const empty = h("div", { class: "nn-soft nn-warning", hidden: true });
  const scale = legend();
  const leaning = h("div", { class: "nn-links" });
  const leans = h("div", { class: "nn-soft" }, "what it leans on most there (gradient × activation):");
  const rule = choice(
    "rule",
    ["gradient", "input × gradient", "deconvnet", "guided backprop"].map((name) => [name, name]),
    (value) => context.set({ rule: value }),
  );
  const start = choice(
    "of",
    [
      ["maximum", "its maximum"],
      ["map", "the whole map"],
      ["position", "the position"],
    ],
    (value) => context.set({ start: value }),
  );
  const look = choice(
    "show",
    [
      ["colour", "in colour"],
      ["signed", "signed sum"],
      ["norm", "norm"],
    ],
    (value) => context.set({ look: value }),
  );
  const smooth = toggle("smooth", (on) => context.set({ smooth: on }));
  const keep = toggle("keep this unit", (on) =>
    context.set({ origin: on ? { layer: context.get("layer"), unit: context.get("unit") } : null }),
  );
  keep.title = "then choose another layer: here stands what the kept unit draws from that";

  let zoomed = true;
  const zoom = toggle("zoom", (on) => {
    zoomed = on;
    zoom.on(on);
    draw();
  });
  zoom.on(true);
  zoom.title = "only the pixels that the place sees";

  /** What the place that is followed back sees, with a margin, where that is a small part: [top, left, rows, columns]. */
  const near = (payload: any, rows: number, columns: number): [number, number, number, number] | null => {
    const mosaic = scene.mosaic;
    if (payload.start === "map" || !mosaic) return null;
    const unit = context.get<number>("unit");
    const peak: [number, number] = [mosaic.peak[2 * unit], mosaic.peak[2 * unit + 1]];
    const place = payload.start === "position" ? context.get<[number, number] | null>("position") : peak;
    const field = place && scene.field(place);
    if (!field) return null;
    const margin = Math.ceil(0.1 * Math.max(field[2] - field[0], field[3] - field[1])) + 1;
    // Moved inside rather than cut off at the image's borders: the picture keeps its shape.
    const span = (low: number, high: number, size: number): [number, number] => {
      const length = Math.min(size, side);
      return [Math.min(size - length, Math.max(0, Math.round((low + high + 1 - length) / 2))), length];
    };
    const side = Math.max(field[2] - field[0], field[3] - field[1]) + 1 + 2 * margin;
    const [[top, tall], [left, wide]] = [span(field[0], field[2], rows), span(field[1], field[3], columns)];
    return 2 * Math.max(tall, wide) < Math.max(rows, columns) ? [top, left, tall, wide] : null;
  };

  if (!context.live) {
    const held = context.choices("rule|start") ?? [];
    context.watch(["rule", "start"], () => {
      for (const option of rule.select.options) option.disabled = !held.includes(`${option.value}|${context.get("start")}`);
      for (const option of start.select.options) option.disabled = !held.includes(`${context.get("rule")}|${option.value}`);
    });
    keep.disabled = true;
    keep.title = NEEDS_KERNEL;
  }
  // As in the Deep Visualization Toolbox: b cycles the rules, d keeps the unit, z zooms.
  context.listen(context.root, "keydown", (event: KeyboardEvent) => {
    if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
    const rules = [...rule.select.options].filter((option) => !option.disabled).map((option) => option.value);
    if (event.key === "b") context.set({ rule: rules[(rules.indexOf(context.get("rule")) + 1) % rules.length] });
    else if (event.key === "d" && !keep.disabled) keep.click();
    else if (event.key === "z" && !zoom.hidden) zoom.click();
    else return;
    event.preventDefault();
  });

  const draw = () => {
    const payload = context.get("pixels");
    const ready = payload?.data && scene.isOfUnit(payload);
    const error = payload?.error && scene.isOfUnit(payload);
    const away = !context.live && !ready && !error;
    empty.hidden = !error && !away;
    say(empty, error ? payload.error : heldWords(payload));
    canvas.hidden = scale.element.hidden = words.hidden = !payload?.data || Boolean(error) || away;
    canvas.classList.toggle("nn-stale", !ready || payload.rule !== context.get("rule"));
    if (canvas.hidden) {
      leaning.replaceChildren();
      return;
    }
    const signed: Signed = { ...payload, data: i8(payload.data) };
    const { rows, columns } = signed;
    const chosen = context.get<Look>("look");
    const shown: Look = chosen === "colour" && !signed.colours ? "signed" : chosen;
    const deviation = context.get("smooth") ? Math.max(1, Math.max(rows, columns) / 90) : 0;
    let pixels: Uint32Array;
    scale.element.hidden = shown === "colour";
    if (shown === "colour") pixels = coloured(signed, deviation);
    else {
      const values = flat(signed, shown);
      const even = deviation ? smoothed(values, rows, columns, deviation) : values;
      const limits = limitsIn(even, shown === "signed");
      pixels = tabled(even, limits, scene.table(limits));
      scale.show(limits, scene.table(limits), payload.at ? `per activation of ${payload.at}` : "per input value");
    }
    const part = payload.at ? null : near(payload, rows, columns);
    zoom.hidden = !part;
    const [top, left, tall, wide] = part && zoomed ? part : [0, 0, rows, columns];
    const ratio = tall / wide;
    const [width, height] = ratio > 1 ? [SIDE / ratio, SIDE] : [SIDE, SIDE * Math.max(ratio, 0.1)];
    const pen = sized(canvas, width, height);
    pen.imageSmoothingEnabled = wide > width;
    pen.drawImage(textured(pixels, rows, columns), left, top, wide, tall, 0, 0, width, height);
    const where = part && zoomed ? `; rows ${top}…${top + tall - 1}, columns ${left}…${left + wide - 1}` : "";
    const nothing = signed.largest === 0 ? "all zero (where a rectifier is off, nothing comes back): " : "";
    say(words, `${nothing}${payload.words}${where}`);
    canvas.setAttribute("aria-label", words.textContent ?? "");
    unitLinks(
      context,
      leaning,
      (payload.leaning ?? []).map(([unit, value]: [number, number]) => ({ layer: payload.at, unit, value })),
    );
  };
  const tell = () => {
    const origin = context.get("origin");
    const kept = origin && origin.layer !== context.get("layer");
    say(
      title,
      kept
        ? `${origin.layer} · ${origin.unit} at ${context.get("layer")} · ${context.get("unit")}`
        : "back to the pixels",
    );
    rule.select.value = context.get("rule");
    start.select.value = context.get("start");
    look.select.value = context.get("look");
    smooth.on(context.get("smooth"));
    keep.on(Boolean(origin));
    say(keep, origin ? `kept: ${short(origin.unit)} of ${origin.layer}` : "keep this unit");
    leaning.hidden = leans.hidden = !kept;
    // The place is one of the layer that is shown, not of the unit that is kept.
    if (context.live) for (const option of start.select.options) option.disabled = Boolean(kept) && option.value === "position";
  };
  context.listen(context.root, "nn-theme", draw);
  context.watch(["pixels", "look", "smooth", "layer", "unit", "rule", "fields", "mosaic"], draw);
  context.watch(["rule", "start", "look", "smooth", "origin", "layer", "unit"], tell);
  return h(
    "div",
    {},
    title,
    h("div", { class: "nn-row" }, rule, start),
    canvas,
    h("div", { class: "nn-row" }, look, smooth, zoom, keep),
    scale.element,
    words,
    empty,
    leans,
    leaning,
  );
}
