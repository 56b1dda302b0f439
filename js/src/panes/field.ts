// What a place of the unit's map sees, as a box on the picture.

/** White under black: seen on any picture. */
export function outlineField(
  pen: CanvasRenderingContext2D,
  [top, left, bottom, right]: [number, number, number, number],
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
