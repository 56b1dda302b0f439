// The receptive field of a position on the unit's map, as a box on the picture.

import type { Box } from "../model/selected.ts";
import { strokeEvenly } from "./framed.ts";

/** White under black: seen on any picture. */
export function outlineReceptiveField(
  pen: CanvasRenderingContext2D,
  [top, left, bottom, right]: Box,
  strong: boolean,
): void {
  pen.beginPath();
  pen.rect(left, top, right - left + 1, bottom - top + 1);
  strokeEvenly(pen, strong ? 3.5 : 2.5, "#fff");
  strokeEvenly(pen, strong ? 1.5 : 1, "#000", strong ? [] : [4, 3]);
}
