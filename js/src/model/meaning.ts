// What the model's scores mean, and how their numbers are written.

import { share, short, signed } from "../ui/format.ts";
import type { Context } from "./context.ts";
import type { Meaning } from "./traits.ts";

/** What the scores mean; empty where the model's output is not read as scores. */
export function meaningOf(context: Context): Partial<Meaning> {
  const meaning = context.get("meaning");
  return meaning && "task" in meaning ? meaning : {};
}

export function isProbability(context: Context): boolean {
  return (meaningOf(context).noun ?? "probability") === "probability";
}

/** A class's number as the bars show it: ".81", or "58.2 years". */
export function amount(context: Context, value: number | null): string {
  if (value === null) return "−∞"; // a masked logit
  if (isProbability(context)) return share(value);
  return `${short(value, 4)} ${meaningOf(context).unit ?? ""}`.trim();
}

/** How much it changed by. Of a probability two digits after the point, or more where these are zeros. */
export function difference(context: Context, value: number): string {
  const words = signed(value);
  return isProbability(context) && words !== "±0" ? words : `${value > 0 ? "+" : ""}${short(value)}`;
}
