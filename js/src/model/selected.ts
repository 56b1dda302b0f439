// The selected unit: which payloads are about it, what its positions see, and the position under the mouse.

import type { Context } from "./context.ts";
import type { Failed, OfUnit } from "./traits.ts";

export type Position = [row: number, column: number];
/** Pixels, inclusive. */
export type Box = [top: number, left: number, bottom: number, right: number];

/** Whether a payload could not be computed. */
export function hasFailed(payload: object | null | undefined): payload is Failed {
  return payload !== null && payload !== undefined && "error" in payload && Boolean(payload.error);
}

export class Selected {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  #hovered: Position | null = null;
  #hovering: (() => void)[] = [];

  /** Whether a payload is of the selected unit. */
  is<P extends OfUnit>(payload: P | null | undefined): payload is P {
    return payload?.layer === this.#context.get("layer") && payload?.unit === this.#context.get("unit");
  }

  /** The position on the unit's map under the mouse, which other panes show too. */
  get hover(): Position | null {
    return this.#hovered;
  }

  set hover(position: Position | null) {
    if (String(position) === String(this.#hovered)) return;
    this.#hovered = position;
    for (const react of this.#hovering) react();
  }

  onHover(react: () => void): void {
    this.#hovering.push(react);
  }

  get #fields(): { rows: number[][]; columns: number[][] } | null {
    const payload = this.#context.find("receptive_fields");
    if (!payload?.rows || !payload.columns || payload.layer !== this.#context.get("layer")) return null;
    return { rows: payload.rows, columns: payload.columns };
  }

  /** The receptive field of a position on the unit's map; null where none is known. */
  field([row, column]: Position): Box | null {
    const [down, across] = [this.#fields?.rows[row], this.#fields?.columns[column]];
    return down && across ? [down[0], across[0], down[1], across[1]] : null;
  }

  /** The position whose field's middle is nearest to a point of the image. */
  positionAt(y: number, x: number): Position | null {
    const fields = this.#fields;
    if (!fields) return null;
    const nearest = (spans: number[][], to: number) => {
      const distance = ([low, high]: number[]) => Math.abs((low + high + 1) / 2 - to);
      return spans.reduce((best, span, at) => (distance(span) < distance(spans[best]) ? at : best), 0);
    };
    return [nearest(fields.rows, y), nearest(fields.columns, x)];
  }
}
