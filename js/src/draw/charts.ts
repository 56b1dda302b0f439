// Small charts: distributions beside a reference, and lines with their axes.

import type { Context } from "../model/context.ts";
import type { Distribution } from "../model/traits.ts";
import { short } from "../ui/format.ts";

export interface Frame {
  pen: CanvasRenderingContext2D;
  width: number;
  height: number;
  /** Room for the ticks below, and for those at the left. */
  foot: number;
  left: number;
}

/** Tick labels at the corners of a chart: what is at the left and right end, and at the top. */
export function ticks(context: Context, frame: Frame, low: number, high: number, top?: number): void {
  const { pen, width, height, left } = frame;
  pen.font = "10px system-ui, sans-serif";
  pen.fillStyle = context.color("--nn-dim");
  pen.textBaseline = "bottom";
  pen.textAlign = "left";
  pen.fillText(short(low, 2), left, height);
  pen.textAlign = "right";
  pen.fillText(short(high, 2), width, height);
  if (top === undefined) return;
  pen.textBaseline = "top";
  pen.textAlign = "right";
  pen.fillText(short(top, 2), left - 3, 0);
}

/** Bars for the layer, a line for the reference, each as shares of its highest: their shapes are compared. */
export function distribution(context: Context, frame: Frame, chart: Distribution): void {
  const { pen, width, height, foot, left } = frame;
  const [wide, high] = [width - left, height - foot];
  const step = wide / chart.shares.length;
  const y = (share: number, shares: number[]) => high - (share / (Math.max(...shares) || 1)) * (high - 2);
  pen.fillStyle = context.color("--nn-bar");
  for (const [at, share] of chart.shares.entries()) {
    const top = y(share, chart.shares);
    pen.fillRect(left + at * step, top, Math.max(1, step - 0.5), high - top);
  }
  if (chart.reference) {
    pen.strokeStyle = context.color("--nn-ink");
    pen.lineWidth = 1.25;
    pen.beginPath();
    for (const [at, share] of chart.reference.entries()) {
      pen.lineTo(left + at * step, y(share, chart.reference));
      pen.lineTo(left + (at + 1) * step, y(share, chart.reference));
    }
    pen.stroke();
  }
  base(context, frame);
}

/** Angles as petals around the middle: the direction in which each wave varies, with period 180°. */
export function rose(context: Context, frame: Frame, chart: Distribution): void {
  const { pen, width, height } = frame;
  const radius = Math.min(width / 2, height - 4);
  const [x, y] = [width / 2, height - 2];
  const most = Math.max(...chart.shares, ...(chart.reference ?? [])) || 1;
  const bins = chart.shares.length;
  const petal = (share: number, at: number, end: number) => {
    const reach = radius * Math.sqrt(share / most);
    pen.moveTo(x, y);
    pen.arc(x, y, reach, -((at + 1) / bins) * Math.PI, -(at / bins) * Math.PI);
    if (end) pen.lineTo(x, y);
  };
  pen.fillStyle = context.color("--nn-bar");
  pen.beginPath();
  for (const [at, share] of chart.shares.entries()) petal(share, at, 1);
  pen.fill();
  if (chart.reference) {
    pen.strokeStyle = context.color("--nn-ink");
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [at, share] of chart.reference.entries()) {
      const reach = radius * Math.sqrt(share / most);
      pen.moveTo(
        x + reach * Math.cos((-(at + 1) / bins) * Math.PI),
        y + reach * Math.sin((-(at + 1) / bins) * Math.PI),
      );
      pen.arc(x, y, reach, (-(at + 1) / bins) * Math.PI, (-at / bins) * Math.PI);
    }
    pen.stroke();
  }
}

/** Values as a line over evenly spread places; dashed for what chance gives. */
export function line(
  context: Context,
  frame: Frame,
  values: number[],
  top: number,
  ink: string,
  dash: number[] = [],
): void {
  const { pen, width, height, foot, left } = frame;
  const [wide, high] = [width - left, height - foot];
  pen.strokeStyle = context.color(ink);
  pen.lineWidth = dash.length ? 1.25 : 1.75;
  pen.setLineDash(dash);
  pen.beginPath();
  for (const [at, value] of values.entries()) {
    const x = left + (values.length > 1 ? (at / (values.length - 1)) * wide : wide / 2);
    pen.lineTo(x, high - (value / (top || 1)) * (high - 2));
  }
  pen.stroke();
  pen.setLineDash([]);
}

/** The line at the foot of a chart. */
export function base(context: Context, { pen, width, height, foot, left }: Frame): void {
  pen.strokeStyle = context.color("--nn-line");
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(left, height - foot + 0.5);
  pen.lineTo(width, height - foot + 0.5);
  pen.stroke();
}
