// The filters of the chosen weight, decoded once for all panes.

import { f32, i8, i32, once } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { FilterBank } from "./traits.ts";

export interface Bank
  extends Omit<FilterBank, "data" | "peak" | "norm" | "similar" | "angle" | "frequency" | "r_squared"> {
  data: Int8Array;
  peak: Float32Array;
  norm: Float32Array;
  similar: Int32Array;
  angle: Float32Array | null;
  frequency: Float32Array | null;
  r_squared: Float32Array | null;
}

export type Order = "index" | "norm" | "orientation" | "frequency" | "similarity";

const decode = once((payload: FilterBank | null): Bank | null => {
  if (!payload) return null;
  const { angle, frequency, r_squared } = payload;
  return {
    ...payload,
    data: i8(payload.data),
    peak: f32(payload.peak),
    norm: f32(payload.norm),
    similar: i32(payload.similar),
    angle: angle && f32(angle),
    frequency: frequency && f32(frequency),
    r_squared: r_squared && f32(r_squared),
  };
});

export function bankOf(context: Context): Bank | null {
  return decode(context.get("bank"));
}

/** The filters in an order; those without a number for it come last. */
export function placesOf(bank: Bank, order: Order): Int32Array {
  if (order === "similarity") return bank.similar;
  const places = Int32Array.from({ length: bank.filters }, (_, filter) => filter);
  const keys = {
    index: null,
    norm: bank.norm.map((norm) => -norm),
    orientation: bank.angle,
    frequency: bank.frequency,
  };
  const key = keys[order];
  if (!key) return places;
  const of = (filter: number) => (Number.isNaN(key[filter]) ? Number.POSITIVE_INFINITY : key[filter]);
  return places.sort((a, b) => of(a) - of(b) || a - b);
}
