// The chosen cell over the text as a line, with a threshold to drag.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { cellsOf, chosenTrace, tokenWords } from "../../model/tokens.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const HEIGHT = 84;
const LEFT = 40;

export function tracePane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-trace", tabindex: 0, role: "slider" });
  const stage = h("div", {}, canvas);
  const reading = h("span", { class: "nn-soft nn-line nn-name" });
  let width = 480;
  let range: [number, number] = [0, 1];
  let dragged: number | null = null;

  const threshold = () => dragged ?? context.get("threshold");
  const y = (value: number) => 4 + (1 - (value - range[0]) / (range[1] - range[0] || 1)) * (HEIGHT - 8);
  const draw = () => {
    const [cells, trace] = [cellsOf(context.get("cells")), chosenTrace(context)];
    if (!cells || !trace) return;
    const unit = context.get("unit");
    range = [Math.min(0, cells.low[unit]), Math.max(0, cells.high[unit])];
    const pen = sized(canvas, width, HEIGHT);
    const x = (token: number) => LEFT + ((token + 0.5) / cells.tokens) * (width - LEFT);
    pen.strokeStyle = context.color("--nn-line");
    pen.beginPath();
    pen.moveTo(LEFT, y(0));
    pen.lineTo(width, y(0));
    pen.stroke();
    pen.fillStyle = context.color("--nn-dim");
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "top";
    pen.fillText(short(range[1]), LEFT - 4, 2);
    pen.textBaseline = "bottom";
    pen.fillText(short(range[0]), LEFT - 4, HEIGHT - 2);
    // Of several tokens in one pixel the lowest and the highest are drawn.
    pen.strokeStyle = context.color("--nn-ink");
    pen.lineWidth = 1;
    pen.beginPath();
    const step = Math.max(1, Math.floor(cells.tokens / (2 * width)));
    for (let token = 0; token < cells.tokens; token += step) {
      let [low, high] = [Infinity, -Infinity];
      for (let at = token; at < Math.min(cells.tokens, token + step); at++) {
        low = Math.min(low, trace(at));
        high = Math.max(high, trace(at));
      }
      pen.lineTo(x(token), y(high));
      if (low < high) pen.lineTo(x(token), y(low));
    }
    pen.stroke();
    const least = threshold();
    pen.strokeStyle = pen.fillStyle = context.color("--nn-accent");
    if (least !== null) {
      pen.lineWidth = 1.5;
      pen.setLineDash([5, 3]);
      pen.beginPath();
      pen.moveTo(LEFT, y(least));
      pen.lineTo(width, y(least));
      pen.stroke();
      pen.setLineDash([]);
      for (let token = 0; token < cells.tokens; token++)
        if (trace(token) >= least) pen.fillRect(x(token) - 0.5, HEIGHT - 3, 1.5, 3);
    }
    const marked = scene.selected.hover?.[1] ?? context.get("position")?.[1];
    if (marked !== undefined) pen.fillRect(x(marked) - 0.5, 0, 1.5, HEIGHT);
    const words =
      least === null ? t("drag up or down to set a threshold") : t("threshold {value}", { value: short(least) });
    canvas.title = words;
    canvas.setAttribute("aria-valuetext", words);
    canvas.setAttribute("aria-valuenow", String(least ?? 0));
    canvas.setAttribute("aria-valuemin", String(range[0]));
    canvas.setAttribute("aria-valuemax", String(range[1]));
    canvas.setAttribute("aria-label", t("threshold of cell {cell}", { cell: unit }));
    say(title, t("cell {cell} over the text", { cell: unit }));
  };
  const valueAt = (event: MouseEvent) => {
    const share = (event.clientY - canvas.getBoundingClientRect().top - 4) / (HEIGHT - 8);
    return range[1] - Math.min(1, Math.max(0, share)) * (range[1] - range[0]);
  };
  const tokenAt = (event: MouseEvent): number | null => {
    const cells = cellsOf(context.get("cells"));
    if (!cells) return null;
    const share = (event.clientX - canvas.getBoundingClientRect().left - LEFT) / (width - LEFT);
    return share < 0 ? null : Math.min(cells.tokens - 1, Math.floor(share * cells.tokens));
  };
  context.listen(canvas, "pointerdown", (event) => {
    dragged = valueAt(event);
    canvas.setPointerCapture(event.pointerId);
    draw();
  });
  context.listen(canvas, "pointermove", (event) => {
    const token = tokenAt(event);
    scene.selected.hover = token === null ? null : [0, token];
    const trace = chosenTrace(context);
    if (token !== null && trace) say(reading, `${tokenWords(context, token)}: ${short(trace(token))}`);
    if (dragged === null) return;
    dragged = valueAt(event);
    draw();
  });
  context.listen(canvas, "pointerup", () => {
    if (dragged !== null) context.set({ threshold: dragged });
    dragged = null;
  });
  context.listen(canvas, "pointerleave", () => {
    scene.selected.hover = null;
    say(reading, "");
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const by = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    if (event.key === "Escape") context.set({ threshold: null });
    else if (by) {
      const middle = (range[0] + range[1]) / 2;
      const next = (context.get("threshold") ?? middle) + by * (range[1] - range[0]);
      context.set({ threshold: Math.min(range[1], Math.max(range[0], next)) });
    } else return;
    event.preventDefault();
  });
  context.watch(["cells", "trace", "unit", "threshold", "position"], draw);
  scene.selected.onHover(draw);
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  return h("div", {}, title, stage, reading);
}
