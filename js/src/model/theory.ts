// The settings of an experiment: those that are not the usual ones are kept as JSON, in the experiment's order.

import type { TheorySetting } from "./traits.ts";

export type Values = Record<string, number | string>;

/** All settings, given those that are not the usual ones. */
export function valuesOf(settings: TheorySetting[], text: string): Values {
  const given: Values = text ? JSON.parse(text) : {};
  return Object.fromEntries(settings.map(({ name, usual }) => [name, given[name] ?? usual]));
}

/** The text of settings, as Python writes it too. */
export function textOf(settings: TheorySetting[], values: Values): string {
  const other = settings.filter(({ name, usual }) => values[name] !== usual);
  return other.length ? JSON.stringify(Object.fromEntries(other.map(({ name }) => [name, values[name]]))) : "";
}

/** The place of the value that is nearest among those of a slider. */
export function nearestPlace(values: (number | string)[], value: number | string): number {
  if (typeof value === "string") return Math.max(0, values.indexOf(value));
  let best = 0;
  for (const [place, known] of values.entries())
    if (Math.abs(Number(known) - value) < Math.abs(Number(values[best]) - value)) best = place;
  return best;
}
