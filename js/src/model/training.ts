// Which step of a training is shown.

import type { Context } from "./context.ts";

/** The checkpoints, those of the film where a page has no others. */
export function checkpoints(context: Context): number[] {
  return context.get("watched")?.checkpoints ?? [];
}

/** The step that is shown: the chosen one, or the latest checkpoint; null before any. */
export function shownStep(context: Context): number | null {
  const steps = checkpoints(context);
  if (!steps.length) return null;
  const chosen = context.get("shown_step");
  return chosen < 0 ? steps[steps.length - 1] : chosen;
}

/** The place of the largest step that is not after `step`; the first where all are. */
export function placeOf(steps: number[], step: number): number {
  let place = 0;
  for (const [at, known] of steps.entries()) if (known <= step) place = at;
  return place;
}
