// Signed numbers in 8 bits as pictures: in colour around grey, as a sum over the channels, as their norm.

import type { Traits } from "../model/traits.ts";
import { colorOf, type Limits, type Table } from "./colors.ts";

export interface Signed {
  planes: number;
  rows: number;
  columns: number;
  /** The channels are those of an image; else the planes are their sum and their norm, or one map. */
  colours: boolean;
  largest: number;
  data: Int8Array;
}

export type Display = Traits["back_projection_display"];

const near = (value: number, size: number) => Math.min(size - 1, Math.max(0, value));

/** A Gaussian blur along rows and columns, the border values repeated outside. */
export function smoothed(values: Float32Array, rows: number, columns: number, deviation: number): Float32Array {
  const reach = Math.ceil(2.5 * deviation);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, at) => Math.exp(-0.5 * ((at - reach) / deviation) ** 2));
  const sum = weights.reduce((a, b) => a + b);
  const pass = (from: Float32Array, down: number, across: number) => {
    const to = new Float32Array(from.length);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let total = 0;
        for (let at = -reach; at <= reach; at++) {
          total +=
            weights[at + reach] * from[near(row + at * down, rows) * columns + near(column + at * across, columns)];
        }
        to[row * columns + column] = total / sum;
      }
    }
    return to;
  };
  return pass(pass(values, 1, 0), 0, 1);
}

/** One plane of numbers by the display: the sum over the channels, or their norm. */
export function flat(signed: Signed, display: Display): Float32Array {
  const count = signed.rows * signed.columns;
  const scale = signed.largest / 127;
  if (!signed.colours && signed.planes === 2) {
    const start = display === "norm" ? count : 0;
    return Float32Array.from({ length: count }, (_, at) => signed.data[start + at] * scale);
  }
  return Float32Array.from({ length: count }, (_, at) => {
    let [sum, squares] = [0, 0];
    for (let plane = 0; plane < signed.planes; plane++) {
      const value = signed.data[plane * count + at] * scale;
      sum += value;
      squares += value * value;
    }
    return display === "norm" ? Math.sqrt(squares) : sum;
  });
}

/** Each channel around mid-grey: a picture's colours. */
export function coloured(signed: Signed, deviation: number): Uint32Array {
  const count = signed.rows * signed.columns;
  const planes = Array.from({ length: signed.planes }, (_, plane) => {
    const values = Float32Array.from(signed.data.subarray(plane * count, (plane + 1) * count));
    return deviation ? smoothed(values, signed.rows, signed.columns, deviation) : values;
  });
  let largest = 1e-9;
  for (const plane of planes) for (const value of plane) largest = Math.max(largest, Math.abs(value));
  const byte = (value: number) => Math.round(127.5 + (127.5 * value) / largest);
  return Uint32Array.from({ length: count }, (_, at) => {
    const [r, g, b] = [0, 1, 2].map((channel) => byte(planes[channel % planes.length][at]));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

export function limitsIn(values: Float32Array, signs: boolean): Limits {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return signs ? [-(largest || 1), largest || 1] : [0, largest || 1];
}

export function tabled(values: Float32Array, limits: Limits, table: Table): Uint32Array {
  return Uint32Array.from(values, (value) => colorOf(value, limits, table));
}
