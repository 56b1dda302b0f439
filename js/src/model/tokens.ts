// A text with its tokens, what is predicted at each, and the cells of a layer over them.

import { decode, type Limits, limitsOf } from "../draw/colors.ts";
import { t } from "../ui/text.ts";
import { f32, i32, once, u8 } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { CellTrace, CellValues, TextPayload, TokenPredictions } from "./traits.ts";

export interface Tokens {
  count: number;
  text: string;
  starts: Int32Array;
  ends: Int32Array;
  unknown: Set<number>;
  /** The characters of a token; the name of one that stands for no whole character. */
  piece(token: number): string;
  /** Whether it stands for no character of its own: a special token, or a further part of a character. */
  isMark(token: number): boolean;
}

export const tokensOf = once((payload: TextPayload | null | undefined): Tokens | null => {
  if (!payload?.tokens) return null;
  const { text, names, tokens } = payload;
  const [starts, ends] = [i32(payload.starts), i32(payload.ends)];
  return {
    count: tokens,
    text,
    starts,
    ends,
    unknown: new Set(i32(payload.unknown)),
    piece: (token) => names[token] ?? text.slice(starts[token], ends[token]),
    isMark: (token) => token in names,
  };
});

/** A token in words: its place and what it is. */
export function tokenWords(context: Context, token: number): string {
  const tokens = tokensOf(context.find("text"));
  if (!tokens || token >= tokens.count) return "";
  const piece = JSON.stringify(tokens.piece(token)).slice(1, -1);
  return tokens.unknown.has(token)
    ? t("token {token} “{piece}”, unknown to the tokenizer", { token, piece })
    : t("token {token} “{piece}”", { token, piece });
}

export interface Predicted {
  k: number;
  next: boolean;
  about: string;
  word(token: number, rank: number): string;
  probability(token: number, rank: number): number;
  /** The probability of the token that the text has there; NaN where unknown. */
  own(token: number): number;
}

export const predictedOf = once((payload: TokenPredictions | null | undefined): Predicted | null => {
  if (!payload?.index) return null;
  const { words, k } = payload;
  const [index, probability, own] = [i32(payload.index), f32(payload.probability), f32(payload.own)];
  return {
    k,
    next: payload.next,
    about: payload.about,
    word: (token, rank) => words[index[token * k + rank]] ?? "",
    probability: (token, rank) => probability[token * k + rank],
    own: (token) => own[token],
  };
});

export interface Cells {
  layer: string;
  label: string;
  kind: string;
  count: number;
  tokens: number;
  step: number;
  columns: number;
  low: Float32Array;
  high: Float32Array;
  codes: Uint8Array;
  /** The value of a cell in a column. */
  at(cell: number, column: number): number;
}

export const cellsOf = once((payload: CellValues | null | undefined): Cells | null => {
  if (!payload?.data) return null;
  const { layer, label, kind, cells, tokens, step, columns } = payload;
  const [low, high, codes] = [f32(payload.low), f32(payload.high), u8(payload.data)];
  const at = (cell: number, column: number) => decode(codes[cell * columns + column], low[cell], high[cell]);
  return { layer, label, kind, count: cells, tokens, step, columns, low, high, codes, at };
});

const traceValues = once((payload: CellTrace | null | undefined) => (payload?.data ? f32(payload.data) : null));

/** The values of the chosen cell: as they were sent, else from its 8-bit codes; null where there are none. */
export function chosenTrace(context: Context): ((token: number) => number) | null {
  const cells = cellsOf(context.get("cells"));
  const unit = context.get("unit");
  if (!cells || unit >= cells.count) return null;
  const sent = context.get("trace");
  const values = traceValues(sent);
  if (values && sent?.layer === cells.layer && sent.unit === unit) return (token) => values[token];
  return (token) => cells.at(unit, Math.floor(token / cells.step));
}

/** The range of the colours of a cell, by the chosen scale: around 0 where the layer has negative values. */
export function cellLimits(context: Context, cells: Cells, cell: number): Limits {
  const locked = context.get("limits");
  if (context.get("scale") === "locked" && locked) return locked;
  const least = cells.low.reduce((a, b) => Math.min(a, b));
  const layer = limitsOf(
    least,
    cells.high.reduce((a, b) => Math.max(a, b)),
  );
  if (context.get("scale") !== "unit") return layer;
  const largest = Math.max(Math.abs(cells.low[cell]), Math.abs(cells.high[cell])) || layer[1];
  return least < 0 ? [-largest, largest] : [0, largest];
}

/** The order in which the cells are drawn. */
export function cellOrder(
  cells: Cells,
  order: string,
  chosen: number,
  found: { layer: string; unit: number }[],
): Int32Array {
  const places = Int32Array.from({ length: cells.count }, (_, cell) => cell);
  if (order === "found") {
    const ranked = found.filter(({ layer }) => layer === cells.layer).map(({ unit }) => unit);
    const known = new Set(ranked);
    return Int32Array.from([...ranked, ...[...places].filter((cell) => !known.has(cell))]);
  }
  if (order === "index") return places;
  const centred = (cell: number): Float64Array => {
    const values = Float64Array.from({ length: cells.columns }, (_, column) => cells.at(cell, column));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return values.map((value) => value - mean);
  };
  const to = centred(chosen);
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const own = norm(to);
  const score = Float64Array.from(places, (cell) => {
    const values = centred(cell);
    const size = norm(values);
    if (order === "variation") return size;
    return size * own > 0 ? values.reduce((sum, value, at) => sum + value * to[at], 0) / (size * own) : -2;
  });
  return places.sort((a, b) => score[b] - score[a] || a - b);
}
