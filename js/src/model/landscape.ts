// The loss on a grid: what is not computed yet is taken from the nearest point that is, and heights are logarithmic
// where the loss reaches over much.

import type { LandscapePayload } from "./traits.ts";

export interface Heights {
  columns: number;
  rows: number;
  /** 0 at the least loss that is shown, 1 at the most; row by row. */
  values: Float64Array;
  least: number;
  most: number;
  log: boolean;
}

const WIDE = 20;

/** The heights of a plane; null before anything is known. */
export function heightsOf({ x, y, values }: LandscapePayload): Heights | null {
  const known = values.filter((value): value is number => value !== null);
  if (!known.length) return null;
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const log = least > 0 && most / least > WIDE;
  const scale = (value: number) =>
    log ? Math.log(value / least) / Math.log(most / least) : (value - least) / (most - least || 1);
  const filled = nearestKnown(values, x.length, y.length);
  return { columns: x.length, rows: y.length, values: filled.map(scale), least, most, log };
}

/** The loss at a height. */
export function lossAt({ least, most, log }: Heights, height: number): number {
  return log ? least * (most / least) ** height : least + height * (most - least);
}

/** Each point's value, or that of the nearest point that has one: outwards from those that are known. */
function nearestKnown(values: (number | null)[], columns: number, rows: number): Float64Array {
  const result = Float64Array.from(values, (value) => value ?? Number.NaN);
  let border = values.flatMap((value, at) => (value === null ? [] : [at]));
  while (border.length) {
    const next: number[] = [];
    for (const at of border)
      for (const [down, right] of [
        [0, 1],
        [0, -1],
        [1, 0],
        [-1, 0],
      ]) {
        const [row, column] = [Math.floor(at / columns) + down, (at % columns) + right];
        if (row < 0 || column < 0 || row >= rows || column >= columns) continue;
        const place = row * columns + column;
        if (!Number.isNaN(result[place])) continue;
        result[place] = result[at];
        next.push(place);
      }
    border = next;
  }
  return result;
}

type Segment = [x1: number, y1: number, x2: number, y2: number];

/** The line of one height through a grid, in units of its cells (marching squares; a saddle is cut by its mean). */
export function contour({ columns, rows, values }: Heights, height: number): Segment[] {
  const found: Segment[] = [];
  for (let row = 0; row + 1 < rows; row++)
    for (let column = 0; column + 1 < columns; column++) {
      const at = row * columns + column;
      const corners = [values[at], values[at + 1], values[at + columns + 1], values[at + columns]];
      const places: [number, number][] = [
        [column, row],
        [column + 1, row],
        [column + 1, row + 1],
        [column, row + 1],
      ];
      const crossings: [number, number][] = [];
      for (let side = 0; side < 4; side++) {
        const [from, to] = [corners[side], corners[(side + 1) % 4]];
        if (from < height === to < height) continue;
        const share = (height - from) / (to - from);
        const [begin, end] = [places[side], places[(side + 1) % 4]];
        crossings.push([begin[0] + share * (end[0] - begin[0]), begin[1] + share * (end[1] - begin[1])]);
      }
      if (crossings.length === 2) found.push([...crossings[0], ...crossings[1]] as Segment);
      if (crossings.length === 4) {
        const inside = corners.reduce((sum, value) => sum + value / 4, 0) < height === corners[0] < height;
        const pairs = inside ? [0, 1, 2, 3] : [3, 0, 1, 2];
        found.push([...crossings[pairs[0]], ...crossings[pairs[1]]] as Segment);
        found.push([...crossings[pairs[2]], ...crossings[pairs[3]]] as Segment);
      }
    }
  return found;
}
