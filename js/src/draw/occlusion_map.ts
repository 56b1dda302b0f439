// The map of an occlusion experiment: which number belongs to which position.

import { f32, i32 } from "../model/arrays.ts";
import type { OcclusionMapPayload } from "../model/traits.ts";

export type Score = "probability" | "logit";

export class OcclusionMap {
  readonly rows: number;
  readonly columns: number;
  readonly #scores: Record<Score, Float32Array>;
  readonly #tops: Int32Array;
  readonly #topShares: Float32Array;

  constructor(readonly data: OcclusionMapPayload) {
    this.rows = data.tops.length;
    this.columns = data.lefts.length;
    this.#scores = { probability: f32(data.probability), logit: f32(data.logit) };
    this.#tops = i32(data.top);
    this.#topShares = f32(data.top_probability);
  }

  get total(): number {
    return this.rows * this.columns;
  }

  /** Whether `target` is among the classes that were sent. */
  has(target: number): boolean {
    return this.data.targets.includes(target);
  }

  clean(target: number, score: Score): number {
    return this.data[`clean_${score}`][this.data.targets.indexOf(target)];
  }

  floor(target: number, score: Score): number {
    return this.data[`floor_${score}`][this.data.targets.indexOf(target)] ?? 0;
  }

  /** The target's score at a position; NaN where it was not computed. */
  at(row: number, column: number, target: number, score: Score): number {
    return this.#scores[score][(this.data.targets.indexOf(target) * this.rows + row) * this.columns + column];
  }

  top(row: number, column: number): { label: number; probability: number } {
    const index = row * this.columns + column;
    return { label: this.#tops[index], probability: this.#topShares[index] };
  }

  /** The change of the target's score at every position. */
  change(target: number, score: Score): Float32Array {
    const clean = this.clean(target, score);
    const start = this.data.targets.indexOf(target) * this.total;
    return this.#scores[score].slice(start, start + this.total).map((value) => value - clean);
  }

  /** The position that lowers the target's probability the most, by how much; null before one is computed. */
  lowest(target: number): { row: number; column: number; change: number } | null {
    const change = this.change(target, "probability");
    let lowest = -1;
    for (let at = 0; at < change.length; at++)
      if (change[at] < (lowest < 0 ? Number.POSITIVE_INFINITY : change[lowest])) lowest = at;
    if (lowest < 0) return null;
    return { row: Math.floor(lowest / this.columns), column: lowest % this.columns, change: change[lowest] };
  }

  /** The computed position whose occluder's centre is nearest to a point of the image; null if none is. */
  nearest(y: number, x: number): { row: number; column: number } | null {
    let best: { row: number; column: number } | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        if (this.#tops[row * this.columns + column] < 0) continue;
        const far =
          (this.data.tops[row] + this.data.size[0] / 2 - y) ** 2 +
          (this.data.lefts[column] + this.data.size[1] / 2 - x) ** 2;
        if (far < least) {
          least = far;
          best = { row, column };
        }
      }
    }
    return best;
  }

  /** The position of an occluder at exactly (top, left), if the map has computed it. */
  find(top: number, left: number): { row: number; column: number } | null {
    const row = this.data.tops.indexOf(top);
    const column = this.data.lefts.indexOf(left);
    if (row < 0 || column < 0 || this.#tops[row * this.columns + column] < 0) return null;
    return { row, column };
  }

  /** The mean change over the windows that cover each pixel, NaN where none does: captum's definition, with the sign of
   * the change (captum counts clean − occluded). */
  perPixel(target: number, score: Score): Float32Array {
    const [height, width] = this.data.image;
    const total = new Float32Array(height * width);
    const count = new Uint16Array(height * width);
    const change = this.change(target, score);
    for (let index = 0; index < change.length; index++) {
      if (Number.isNaN(change[index])) continue;
      const top = this.data.tops[Math.floor(index / this.columns)];
      const left = this.data.lefts[index % this.columns];
      for (let y = top; y < Math.min(height, top + this.data.size[0]); y++) {
        for (let x = left; x < Math.min(width, left + this.data.size[1]); x++) {
          total[y * width + x] += change[index];
          count[y * width + x] += 1;
        }
      }
    }
    return total.map((sum, pixel) => (count[pixel] ? sum / count[pixel] : Number.NaN));
  }
}
