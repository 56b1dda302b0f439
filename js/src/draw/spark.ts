// Small lines over the steps of a training: numbers that may be missing, on a plain or a logarithmic scale.

import { sized } from "../ui/dom.ts";

export interface Span {
  low: number;
  high: number;
  log: boolean;
}

const known = (values: (number | null)[]): number[] => values.filter((value): value is number => value !== null);

/** The range of several lines; logarithmic where they reach over more than a factor of `wide`, and none is below 0. */
export function spanOf(lines: (number | null)[][], wide = 50): Span {
  const all = lines.flatMap(known);
  const above = all.filter((value) => value > 0);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  if (above.length && low >= 0 && high / Math.min(...above) > wide) return { low: Math.min(...above), high, log: true };
  return Number.isFinite(low) ? { low: Math.min(0, low), high: high > low ? high : low + 1, log: false } : NONE;
}

const NONE: Span = { low: 0, high: 1, log: false };

/** Where a value lies in a range: 0 at its low end, 1 at its high end. */
export function share(value: number, { low, high, log }: Span): number {
  if (!log) return (value - low) / (high - low || 1);
  return Math.log(Math.max(value, low) / low) / (Math.log(high / low) || 1);
}

/** Where a step lies on the way: early steps are given more room. */
export function along(step: number, steps: number[]): number {
  const [first, last] = [steps[0] ?? 0, steps[steps.length - 1] ?? 1];
  return last > first ? Math.log1p(Math.max(0, step - first)) / Math.log1p(last - first) : 0.5;
}

/** The step at a share of the way: where `along` is that share. */
export function stepAt(share: number, steps: number[]): number {
  const [first, last] = [steps[0] ?? 0, steps[steps.length - 1] ?? 1];
  return Math.round(first + Math.expm1(share * Math.log1p(last - first)));
}

export interface Line {
  values: (number | null)[];
  ink: string;
}

/** Lines over steps, with a mark at one of them. */
export function sparks(
  canvas: HTMLCanvasElement,
  [width, height]: [number, number],
  steps: number[],
  lines: Line[],
  span: Span,
  mark: { step: number | null; ink: string; base: string },
): void {
  const pen = sized(canvas, width, height);
  canvas.style.width = `${width}px`;
  const x = (step: number) => 3 + along(step, steps) * (width - 6);
  const y = (value: number) => 3 + (1 - Math.min(1, Math.max(0, share(value, span)))) * (height - 6);
  pen.strokeStyle = mark.base;
  pen.beginPath();
  pen.moveTo(0, height - 0.5);
  pen.lineTo(width, height - 0.5);
  pen.stroke();
  for (const { values, ink } of lines) {
    pen.strokeStyle = ink;
    pen.fillStyle = ink;
    pen.lineWidth = 1.5;
    pen.beginPath();
    let joined = false;
    for (const [place, value] of values.entries()) {
      if (value === null) joined = false;
      else if (joined) pen.lineTo(x(steps[place]), y(value));
      else {
        pen.moveTo(x(steps[place]), y(value));
        joined = true;
      }
    }
    pen.stroke();
    if (known(values).length === 1) {
      const place = values.findIndex((value) => value !== null);
      pen.fillRect(x(steps[place]) - 1.5, y(values[place]!) - 1.5, 3, 3);
    }
  }
  if (mark.step === null) return;
  pen.strokeStyle = mark.ink;
  pen.beginPath();
  pen.moveTo(x(mark.step), 0);
  pen.lineTo(x(mark.step), height);
  pen.stroke();
}
