// A chart with axes: lines of a theory, limits, and dots for what was measured, with their ranges.

import type { Context } from "../model/context.ts";
import type { PlotPayload, PlotSeries } from "../model/traits.ts";
import { sized } from "../ui/dom.ts";
import { short } from "../ui/format.ts";
import { axisOf, roundTicks, shareOf } from "./axes.ts";
import { categoryColor } from "./categories.ts";

const [LEFT, RIGHT, TOP, FOOT] = [46, 10, 8, 32];
const MARKS = ["●", "■", "▲", "◆", "✚"];

/** A point on the canvas that can be pointed at. */
export interface Point {
  x: number;
  y: number;
  of: PlotSeries;
  place: number;
}

export interface Sign {
  mark: string;
  color: string;
}

/** How each series is drawn: its mark in the key, and its colour. */
export function signsOf(context: Context, plot: PlotPayload): Sign[] {
  let measured = -1;
  return plot.series.map(({ kind }) => {
    if (kind === "theory") return { mark: "━", color: context.color("--nn-accent") };
    if (kind === "limit") return { mark: "┅", color: context.color("--nn-ink") };
    measured += 1;
    return { mark: MARKS[measured % MARKS.length], color: categoryColor(measured) };
  });
}

/** Draw it; the points that were drawn. */
export function drawPlot(
  context: Context,
  canvas: HTMLCanvasElement,
  [width, height]: [number, number],
  plot: PlotPayload,
): Point[] {
  const pen = sized(canvas, width, height);
  canvas.style.width = `${width}px`;
  const across = axisOf(
    plot.series.flatMap(({ x }) => x),
    plot.log_x,
  );
  const up = axisOf(
    plot.series.flatMap(({ y, low, high }) => [...y, ...(low ?? []), ...(high ?? [])]),
    plot.log_y,
  );
  const [wide, high] = [width - LEFT - RIGHT, height - TOP - FOOT];
  const placeX = (value: number) => LEFT + shareOf(value, across) * wide;
  const placeY = (value: number) => TOP + (1 - shareOf(value, up)) * high;
  pen.font = "10px system-ui, sans-serif";
  pen.strokeStyle = context.color("--nn-line");
  pen.fillStyle = context.color("--nn-dim");
  pen.lineWidth = 1;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const tick of roundTicks(up, high < 120 ? 3 : 5)) {
    const y = Math.round(placeY(tick)) + 0.5;
    line(pen, [LEFT, y], [width - RIGHT, y]);
    pen.fillText(short(tick, 3), LEFT - 4, y);
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const tick of roundTicks(across, Math.max(2, Math.round(wide / 70)))) {
    const x = Math.round(placeX(tick)) + 0.5;
    line(pen, [x, TOP + high], [x, TOP + high + 4]);
    pen.fillText(short(tick, 3), Math.min(Math.max(x, LEFT + 4), width - RIGHT - 6), TOP + high + 5);
  }
  line(pen, [LEFT, TOP + high + 0.5], [width - RIGHT, TOP + high + 0.5]);
  pen.textBaseline = "bottom";
  pen.fillText(plot.x, LEFT + wide / 2, height);

  const points: Point[] = [];
  const signs = signsOf(context, plot);
  for (const [which, series] of plot.series.entries()) {
    const { kind, x, y, low, high: highest } = series;
    const isMeasured = kind === "measured" || kind === "dots";
    pen.strokeStyle = pen.fillStyle = signs[which].color;
    pen.lineWidth = kind === "theory" ? 2 : 1;
    pen.setLineDash(kind === "limit" ? [5, 4] : []);
    pen.globalAlpha = kind === "measured" ? 0.7 : 1;
    pen.beginPath();
    let joined = false;
    for (const [place, value] of x.entries()) {
      const at = y[place];
      if (value === null || at === null || (plot.log_x && value <= 0) || (plot.log_y && at <= 0)) {
        joined = false;
        continue;
      }
      const [px, py] = [placeX(value), placeY(at)];
      if (joined) pen.lineTo(px, py);
      else pen.moveTo(px, py);
      joined = kind !== "dots";
      if (isMeasured) points.push({ x: px, y: py, of: series, place });
    }
    pen.stroke();
    pen.setLineDash([]);
    if (low && highest)
      for (const [place, value] of x.entries()) {
        const [least, most] = [low[place], highest[place]];
        if (value === null || least === null || most === null || (plot.log_y && least <= 0)) continue;
        line(pen, [placeX(value), placeY(least)], [placeX(value), placeY(most)]);
      }
    pen.globalAlpha = 1;
    if (!isMeasured) continue;
    pen.font = "9px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const point of points) if (point.of === series) pen.fillText(signs[which].mark, point.x, point.y + 0.5);
  }
  return points;
}

function line(pen: CanvasRenderingContext2D, from: [number, number], to: [number, number]): void {
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}
