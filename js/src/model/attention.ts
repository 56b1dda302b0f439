// The weights of the chosen layer: all of them, or the largest of each row.

import { once, u8, u16 } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { AttentionWeights, Rollout } from "./traits.ts";

export interface Heads {
  payload: AttentionWeights;
  heads: number;
  queries: number;
  keys: number;
  /** Whether only the largest weights of each row are known. */
  sparse: boolean;
  /** Call `see` for each known weight of a row that is not 0. */
  row(head: number, query: number, see: (key: number, weight: number) => void): void;
}

const decoded = (code: number) => (code / 255) ** 2;

const headsOf = once((payload: AttentionWeights | null | undefined): Heads | null => {
  if (!payload?.heads) return null;
  const { heads, queries, keys, k } = payload;
  const data = u8(payload.data);
  const index = payload.index ? u16(payload.index) : null;
  return {
    payload,
    heads,
    queries,
    keys,
    sparse: index !== null,
    row(head, query, see) {
      const start = (head * queries + query) * k;
      for (let at = 0; at < k; at++)
        if (data[start + at]) see(index ? index[start + at] : at, decoded(data[start + at]));
    },
  };
});

const rolloutOf = once((payload: Rollout | null | undefined) => (payload?.data ? u8(payload.data) : null));

export function chosenHeads(context: Context): Heads | null {
  return headsOf(context.get("attention"));
}

/** What is shown as one: a head, the mean of all heads, or rollout. */
export interface Shown {
  heads: Heads;
  name: "head" | "mean" | "rollout";
  /** The weights of a row, or of a column: what a token reads, or what reads it. */
  reads(query: number): Float32Array;
  readers(key: number): Float32Array;
  row(query: number, see: (key: number, weight: number) => void): void;
}

export function shownHead(context: Context): Shown | null {
  const heads = chosenHeads(context);
  if (!heads) return null;
  const asked = context.get("combine");
  const rolled = asked === "rollout" ? rolloutOf(context.get("rollout")) : null;
  const usable = rolled !== null && context.get("rollout")?.layer === heads.payload.layer;
  const name = asked === "rollout" && !usable ? "mean" : asked;
  const head = Math.min(context.get("head"), heads.heads - 1);
  const row = (query: number, see: (key: number, weight: number) => void): void => {
    if (name === "rollout") {
      for (let key = 0; key < heads.keys; key++) see(key, decoded(rolled![query * heads.keys + key]));
    } else if (name === "head") heads.row(head, query, see);
    else for (let each = 0; each < heads.heads; each++) heads.row(each, query, (key, w) => see(key, w / heads.heads));
  };
  return {
    heads,
    name,
    row,
    reads(query) {
      const found = new Float32Array(heads.keys);
      if (query < heads.queries) row(query, (key, weight) => (found[key] += weight));
      return found;
    },
    readers(wanted) {
      const found = new Float32Array(heads.queries);
      for (let query = 0; query < heads.queries; query++)
        row(query, (key, weight) => {
          if (key === wanted) found[query] += weight;
        });
      return found;
    },
  };
}

/** The weights between the chosen token and all others, in the chosen direction. */
export function weightsOf(context: Context, shown: Shown, token: number): Float32Array {
  return context.get("direction") === "reads" ? shown.reads(token) : shown.readers(token);
}
