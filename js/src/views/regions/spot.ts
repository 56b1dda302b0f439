// The point of the plane that is read: the one under the pointer, or else the one that was chosen.

import type { Context } from "../../model/context.ts";
import type { Point } from "../../model/regions.ts";

export class Spot {
  #hovered: Point | null = null;
  #reactions: (() => void)[] = [];

  constructor(readonly context: Context) {}

  get point(): Point {
    const [u, v] = this.#hovered ?? this.context.get("here");
    return [u, v];
  }

  hover(point: Point | null): void {
    this.#hovered = point;
    for (const react of this.#reactions) react();
  }

  onHover(react: () => void): void {
    this.#reactions.push(react);
  }
}

const spots = new WeakMap<Context, Spot>();

export function spotOf(context: Context): Spot {
  let spot = spots.get(context);
  if (!spot) {
    spot = new Spot(context);
    spots.set(context, spot);
  }
  return spot;
}
