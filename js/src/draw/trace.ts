// A signal as lines, one below the other; a vector of numbers as bars.

import { f32 } from "../model/arrays.ts";
import type { Trace } from "../model/traits.ts";
import { h } from "../ui/dom.ts";

const SHARPER = 2; // a canvas of twice the pixels, for screens with small ones

const TICKS = 14; // the height of the row of ticks
const LABEL = 22; // the least height of a channel that has room for its name
const FONT = 10;

/** A step of 1, 2 or 5 times a power of ten of which about eight fit into `length`. */
function niceStep(length: number): number {
  const power = 10 ** Math.floor(Math.log10(length / 8));
  return [1, 2, 5, 10].map((by) => by * power).find((step) => length / step <= 10) ?? length;
}

/**
 * The trace as a canvas of these proportions, with the time below it where it is a signal, and the names of its channels.
 * `text`: by how much letters are larger, where the canvas is shown smaller.
 */
export function traceCanvas(
  trace: Trace,
  [width, height]: [number, number],
  { ink, line, dim }: { ink: string; line: string; dim: string },
  [length, unit]: [number, string],
  { names = [], text = 1 }: { names?: string[]; text?: number } = {},
): HTMLCanvasElement {
  const canvas = h("canvas", { width: width * SHARPER, height: height * SHARPER });
  const pen = canvas.getContext("2d")!;
  pen.scale(SHARPER, SHARPER);
  const [low, high] = [f32(trace.low), f32(trace.high)];
  const [least, most] = trace.range;
  const [lane, step] = [(height - (trace.bars ? 0 : TICKS * text)) / trace.channels, width / trace.columns];
  for (let channel = 0; channel < trace.channels; channel++) {
    const y = (value: number) => channel * lane + 3 + (lane - 6) * (1 - (value - least) / (most - least));
    const at = (values: Float32Array, column: number) => y(values[channel * trace.columns + column]);
    if (least <= 0 && most >= 0) {
      pen.fillStyle = line;
      pen.fillRect(0, y(0), width, 1);
    }
    pen.fillStyle = pen.strokeStyle = ink;
    pen.lineWidth = 1.2;
    pen.lineJoin = "round";
    pen.beginPath();
    for (let column = 0; column < trace.columns; column++) {
      const [top, bottom] = [at(high, column), at(low, column)];
      if (trace.bars) {
        const gap = Math.min(2, step / 4);
        pen.fillRect(column * step + gap, Math.min(y(0), top), step - 2 * gap, Math.max(1, Math.abs(y(0) - top)));
        continue;
      }
      const x = (column + 0.5) * step;
      if (column) pen.lineTo(x, bottom);
      else pen.moveTo(x, bottom);
      if (top !== bottom) pen.lineTo(x, top);
    }
    if (!trace.bars) pen.stroke();
  }
  if (trace.bars) return canvas;
  pen.font = `${FONT * text}px system-ui, sans-serif`;
  if (lane >= LABEL * text) {
    pen.textBaseline = "top";
    pen.fillStyle = dim;
    for (const [channel, name] of names.entries()) pen.fillText(name, 3, channel * lane + 1);
  }
  pen.textBaseline = "bottom";
  pen.fillStyle = dim;
  const by = niceStep(length);
  for (let at = by; at < length - by / 4; at += by) {
    const x = (at / length) * width;
    pen.fillRect(x, height - TICKS * text, text, 3 * text);
    const words = `${Number(at.toPrecision(6))}${unit}`;
    pen.fillText(words, x - pen.measureText(words).width / 2, height);
  }
  return canvas;
}
