// What the model's scores mean, and how their numbers are written.

import type { Context } from "./context.ts";
import { share, short, signed } from "./format.ts";

/** What the kernel sends; empty where the model's output is not read as scores. */
export interface Meaning {
  task: string;
  tasks: string[];
  /** The mean over the places of a map. */
  averaged?: boolean;
  logits: boolean;
  noun: string;
  unit: string;
  words: string;
  why: string;
  problem?: string;
}

export function meaningOf(context: Context): Partial<Meaning> {
  return context.get("meaning") ?? {};
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

/** How much it changed by. */
export function difference(context: Context, value: number): string {
  return isProbability(context) ? signed(value) : `${value > 0 ? "+" : ""}${short(value)}`;
}
