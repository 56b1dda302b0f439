// Places in an input in words: pixels of an image, samples or seconds of a signal, numbers of a vector.

import type { Context } from "../model/context.ts";
import { short } from "./format.ts";
import { plural, t } from "./text.ts";

/** So many pixels, samples (with the seconds, where the rate is known) or numbers. */
export function lengthWords(context: Context, count: number): string {
  const { kind, rate } = context.get("photo");
  if (kind === "vector") return plural("{count} number", "{count} numbers", count, { count });
  if (kind !== "signal") return plural("{count} pixel", "{count} pixels", count, { count });
  const samples = plural("{count} sample", "{count} samples", count, { count });
  return rate ? t("{samples} ({seconds} s)", { samples, seconds: short(count / rate) }) : samples;
}

/** The same where there is little room. */
export function lengthMark(context: Context, count: number): string {
  const { kind, rate } = context.get("photo");
  if (kind === "signal" && rate) return t("{seconds} s", { seconds: short(count / rate, 2) });
  return kind === "signal" || kind === "vector" ? String(count) : `${count} px`;
}

/** What a channel of the input is called. */
export function channelName(context: Context, channel: number): string {
  return context.get("photo").channel_names?.[channel] ?? t("channel {index}", { index: channel });
}

/** Row and column, in words where they are `spoken`; of a signal the time, of a vector the number. */
export function placeOf(context: Context, [row, column]: [number, number], spoken = false): string {
  const { kind, rate, channel_names: names } = context.get("photo");
  if (kind === "vector") return names?.[column] ?? t("number {index}", { index: column });
  if (kind === "signal")
    return rate ? t("{seconds} s", { seconds: short(column / rate) }) : t("sample {index}", { index: column });
  const { row_scale: rows, column_scale: columns, height, width } = context.get("photo");
  if (rows || columns) {
    const on = (scale: [number, number, string] | undefined, at: number, count: number, words: string) =>
      scale ? `${short(scale[0] + ((at + 0.5) / count) * (scale[1] - scale[0]))} ${scale[2]}` : words;
    const words = [
      on(columns, column, width, t("column {index}", { index: column })),
      on(rows, row, height, t("row {index}", { index: row })),
    ];
    return words.join(", ");
  }
  return spoken ? t("row {row}, column {column}", { row, column }) : `(${row}, ${column})`;
}
