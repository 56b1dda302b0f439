// A chart with its title, its key, and a line that says what is pointed at.

import { drawPlot, type Point, signsOf } from "../draw/plot.ts";
import type { Context } from "../model/context.ts";
import type { PlotPayload } from "../model/traits.ts";
import { h, say } from "./dom.ts";
import { short } from "./format.ts";
import { t } from "./text.ts";

const NEAR = 16;

export interface PlotBox {
  element: HTMLElement;
  show(plot: PlotPayload, width: number, height?: number): void;
}

export function plotBox(context: Context): PlotBox {
  const title = h("h3", { class: "nn-title" });
  const key = h("div", { class: "nn-row nn-key" });
  const up = h("div", { class: "nn-soft" });
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const reading = h("div", { class: "nn-soft nn-one-line nn-name" });
  let points: Point[] = [];
  let shown: PlotPayload | null = null;
  const show = (plot: PlotPayload, width: number, height = 210) => {
    shown = plot;
    say(title, plot.title);
    say(up, plot.y);
    element.style.width = `${width}px`;
    points = drawPlot(context, canvas, [width, height], plot);
    const signs = signsOf(context, plot);
    key.replaceChildren(
      ...plot.series.map(({ name }, which) => {
        const mark = h("span", { "aria-hidden": true }, signs[which].mark);
        mark.style.color = signs[which].color;
        return h("span", {}, mark, " ", name);
      }),
    );
    canvas.setAttribute("aria-label", words(plot));
  };
  context.listen(canvas, "pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const near = points
      .map((point) => ({ point, away: Math.hypot(point.x - x, point.y - y) }))
      .sort((a, b) => a.away - b.away)[0];
    if (!shown || !near || near.away > NEAR) return say(reading, "");
    const { of, place } = near.point;
    const range = of.low && of.high ? ` (${rangeWords(of.low[place], of.high[place])})` : "";
    say(reading, `${of.name}: ${shown.x} ${short(of.x[place]!)}, ${shown.y} ${short(of.y[place]!)}${range}`);
  });
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  const element = h("div", { class: "nn-plot" }, title, key, up, canvas, reading);
  return { element, show };
}

const rangeWords = (low: number | null, high: number | null): string =>
  low === null || high === null ? "–" : t("{low} to {high}", { low: short(low), high: short(high) });

/** What the chart shows, for those who do not see it. */
function words(plot: PlotPayload): string {
  const lines = plot.series.map(({ name, x, y }) => {
    const known = y.filter((value) => value !== null);
    const places = x.filter((value) => value !== null);
    if (!known.length || !places.length) return name;
    const range = rangeWords(Math.min(...known), Math.max(...known));
    return `${name}: ${plot.y} ${range}, ${plot.x} ${rangeWords(Math.min(...places), Math.max(...places))}`;
  });
  return [plot.title, ...lines].join("; ");
}
