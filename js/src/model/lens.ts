// What the output head would predict from every state of the residual stream.

import { f32, i32, once } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { LogitLensPayload } from "./traits.ts";

export interface Depths {
  payload: LogitLensPayload;
  states: number;
  positions: number;
  word(state: number, position: number, place: number): string;
  probability(state: number, position: number, place: number): number;
  rank(state: number, position: number): number;
  bits(state: number, position: number): number;
  followed(position: number, place: number): string;
  followedRank(state: number, position: number, place: number): number;
}

const decoded = once((payload: LogitLensPayload | null | undefined): Depths | null => {
  if (!payload?.top) return null;
  const { positions, k, m, words, layers } = payload;
  const [top, probability, rank, bits] = [
    i32(payload.top),
    f32(payload.probability),
    i32(payload.rank),
    f32(payload.bits),
  ];
  const [followed, followedRank] = [i32(payload.followed), i32(payload.followed_rank)];
  const at = (state: number, position: number) => state * positions + position;
  return {
    payload,
    states: layers.length,
    positions,
    word: (state, position, place) => words[top[at(state, position) * k + place]] ?? "",
    probability: (state, position, place) => probability[at(state, position) * k + place],
    rank: (state, position) => rank[at(state, position)],
    bits: (state, position) => bits[at(state, position)],
    followed: (position, place) => words[followed[position * m + place]] ?? "",
    followedRank: (state, position, place) => followedRank[at(state, position) * m + place],
  };
});

export function depthsOf(context: Context): Depths | null {
  return decoded(context.get("logit_lens"));
}

/** A word with its breaks and spaces made visible. */
export function visible(word: string): string {
  return word.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·");
}
