// The receptive field of a position on the unit's map, as a box on the picture.

import type { Box } from "../model/selected.ts";

/** White under black: seen on any picture. */
export function outlineReceptiveField(
  pen: CanvasRenderingContext2D,
  [top, left, bottom, right]: Box,
  scale: number,
  strong: boolean,
): void {
  const box: [number, number, number, number] = [left, top, right - left + 1, bottom - top + 1];
  pen.lineWidth = (strong ? 3.5 : 2.5) / scale;
  pen.strokeStyle = "#fff";
  pen.strokeRect(...box);
  pen.lineWidth = (strong ? 1.5 : 1) / scale;
  pen.strokeStyle = "#000";
  if (!strong) pen.setLineDash([4 / scale, 3 / scale]);
  pen.strokeRect(...box);
  pen.setLineDash([]);
}
