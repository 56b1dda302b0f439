// Maps of attribution methods: which numbers are shown, in which colours.

import { i8 } from "../model/arrays.ts";
import type { AttributionPayload, NoMap, SurrogatePayload, Traits } from "../model/traits.ts";
import type { Limits } from "./colors.ts";

/** Why there is no map; "" where there is one. */
export function failureOf(map: AttributionPayload | NoMap | undefined): string {
  return map && "error" in map ? map.error : "";
}

export type Signs = Traits["signs"];

/** The numbers that are shown, row by row. */
export function shownValues(map: AttributionPayload, signs: Signs): Float32Array {
  const codes = i8(map.data);
  const count = map.rows * map.columns;
  const scale = map.largest / 127;
  const magnitude = signs === "magnitude" || (signs === "own" && !map.contribution);
  const start = magnitude && map.planes > 1 ? count : 0;
  return Float32Array.from({ length: count }, (_, at) => {
    const value = codes[start + at] * scale;
    return magnitude ? Math.abs(value) : value;
  });
}

/** Where the colour scale ends: below the few largest if they are outliers, which would darken everything else. */
export function reachOf(values: Float32Array): { reach: number; clipped: number } {
  const sizes = Float32Array.from(values, Math.abs).sort();
  const most = sizes[sizes.length - 1] ?? 0;
  const high = sizes[Math.floor(0.995 * (sizes.length - 1))];
  if (!(high > 0) || most <= 1.5 * high) return { reach: most, clipped: 0 };
  return { reach: high, clipped: values.reduce((count, value) => count + Number(Math.abs(value) > high), 0) };
}

export function limitsFor(all: Float32Array[], reach: number): Limits {
  const signs = all.some((values) => values.some((value) => value < 0));
  return signs ? [-(reach || 1), reach || 1] : [0, reach || 1];
}

/** The borders between superpixels: 1 where the right or the lower neighbour is another one. */
export function borders(labels: Uint16Array, rows: number, columns: number): Uint8Array {
  const edges = new Uint8Array(labels.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      const right = column + 1 < columns && labels[at + 1] !== labels[at];
      const below = row + 1 < rows && labels[at + columns] !== labels[at];
      edges[at] = Number(right || below);
    }
  }
  return edges;
}

/** The superpixels in the order of what they do, the largest first, of either sign. */
export function strongest(surrogate: SurrogatePayload, most: number): number[] {
  const { coefficients } = surrogate;
  return coefficients
    .map((_, part) => part)
    .sort((a, b) => Math.abs(coefficients[b]) - Math.abs(coefficients[a]))
    .slice(0, most);
}
