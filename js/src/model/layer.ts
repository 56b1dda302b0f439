// The selected layer: its mosaic, the selected unit's map, and the limits of their colours.

import { codeColors, decode, type Limits, limitsOf, type Table } from "../draw/colors.ts";
import { f32, i32, once, u8 } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { Mosaic as Payload, ShownUnitMap } from "./traits.ts";

export interface Mosaic extends Omit<Payload, "low" | "high" | "mean" | "zeros" | "peak" | "data"> {
  low: Float32Array;
  high: Float32Array;
  mean: Float32Array;
  zeros: Float32Array;
  peak: Int32Array;
  data: Uint8Array;
  lowest: number;
  highest: number;
  dead: number;
}

export interface UnitMap {
  unit: number;
  rows: number;
  columns: number;
  /** A number stands for `step` × `step` values. */
  step: number;
  exact: boolean;
  at(index: number): number;
}

export class Layer {
  readonly #context: Context;
  readonly #table: (limits: Limits) => Table;

  constructor(context: Context, table: (limits: Limits) => Table) {
    this.#context = context;
    this.#table = table;
  }

  #decodeMosaic = once((payload: Payload): Mosaic | null => {
    if (!payload?.data) return null;
    const [low, high, zeros] = [f32(payload.low), f32(payload.high), f32(payload.zeros)];
    return {
      ...payload,
      low,
      high,
      zeros,
      mean: f32(payload.mean),
      peak: i32(payload.peak),
      data: u8(payload.data),
      lowest: low.reduce((a, b) => Math.min(a, b)),
      highest: high.reduce((a, b) => Math.max(a, b)),
      dead: zeros.filter((zero) => zero === 1).length,
    };
  });
  #decodeUnit = once((payload: ShownUnitMap) => (payload?.data ? { ...payload, values: f32(payload.data) } : null));

  get mosaic(): Mosaic | null {
    return this.#decodeMosaic(this.#context.get("mosaic"));
  }

  /** The selected unit's values: as they were sent, else from its 8-bit tile. */
  get unit(): UnitMap | null {
    const mosaic = this.mosaic;
    const unit = this.#context.get("unit");
    if (!mosaic || unit >= mosaic.units) return null;
    const sent = this.#decodeUnit(this.#context.get("unit_map"));
    if (sent && sent.layer === mosaic.layer && sent.unit === unit) {
      const { rows, columns, step, values } = sent;
      return { unit, rows, columns, step, exact: step === 1, at: (index) => values[index] };
    }
    const start = unit * mosaic.rows * mosaic.columns;
    const at = (index: number) => decode(mosaic.data[start + index], mosaic.low[unit], mosaic.high[unit]);
    return { unit, rows: mosaic.rows, columns: mosaic.columns, step: mosaic.step, exact: false, at };
  }

  /** The range of the colours of a unit's map, by the chosen scale. */
  limits(mosaic: Mosaic, unit: number): Limits {
    const scale = this.#context.get("scale");
    const locked = this.#context.get("limits");
    if (scale === "locked" && locked) return locked;
    const layer = limitsOf(mosaic.lowest, mosaic.highest);
    if (scale !== "unit") return layer;
    // The sign of the layer decides the colours, so that tiles side by side can be compared.
    const largest = Math.max(Math.abs(mosaic.low[unit]), Math.abs(mosaic.high[unit])) || layer[1];
    return layer[0] < 0 ? [-largest, largest] : [0, largest];
  }

  tileColors(mosaic: Mosaic, unit: number): Table {
    const limits = this.limits(mosaic, unit);
    return codeColors(mosaic.low[unit], mosaic.high[unit], limits, this.#table(limits));
  }
}
