// A canvas of tiles: drawing them, finding the one under the mouse, moving from one to the next.

import { h, sized } from "../ui/dom.ts";
import { type Grid, hit } from "./tiles.ts";

/** What the tiles are of: how many pixels each has. */
export interface Tiles {
  columns: number;
  rows: number;
}

/** All tiles beside each other in one picture, painted by `paint` at each tile's first pixel and the picture's width. */
export function tilePicture(
  places: Int32Array,
  grid: Grid,
  { columns, rows }: Tiles,
  paint: (unit: number, pixels: Uint32Array, corner: number, across: number) => void,
): HTMLCanvasElement {
  const across = grid.columns * columns;
  const pixels = new Uint32Array(across * grid.rows * rows);
  places.forEach((unit, index) => {
    paint(unit, pixels, Math.floor(index / grid.columns) * rows * across + (index % grid.columns) * columns, across);
  });
  const picture = h("canvas", { width: across, height: grid.rows * rows });
  const data = new ImageData(new Uint8ClampedArray(pixels.buffer), across, grid.rows * rows);
  picture.getContext("2d")!.putImageData(data, 0, 0);
  return picture;
}

/** Draw the tiles; those that are `crossed` out in `ink`, and the selected one framed in `accent`. */
export function drawTiles(
  canvas: HTMLCanvasElement,
  picture: HTMLCanvasElement,
  places: Int32Array,
  grid: Grid,
  { columns, rows }: Tiles,
  marks: { crossed: (unit: number) => boolean; ink: string; selected: number; accent: string },
): void {
  const [cellX, cellY] = [grid.width + grid.gap, grid.height + grid.gap];
  const pen = sized(canvas, grid.columns * cellX, grid.rows * cellY);
  canvas.style.width = `${grid.columns * cellX}px`;
  pen.imageSmoothingEnabled = grid.width < columns;
  const corner = (index: number) => [(index % grid.columns) * cellX, Math.floor(index / grid.columns) * cellY];
  places.forEach((unit, index) => {
    const [left, top] = corner(index);
    const [sx, sy] = [(index % grid.columns) * columns, Math.floor(index / grid.columns) * rows];
    pen.drawImage(picture, sx, sy, columns, rows, left, top, grid.width, grid.height);
    if (marks.crossed(unit) && grid.width >= 5) {
      pen.strokeStyle = marks.ink;
      pen.lineWidth = 1;
      pen.strokeRect(left + 0.5, top + 0.5, grid.width - 1, grid.height - 1);
      pen.beginPath();
      pen.moveTo(left, top + grid.height);
      pen.lineTo(left + grid.width, top);
      pen.stroke();
    }
  });
  const index = places.indexOf(marks.selected);
  if (index < 0) return;
  const [left, top] = corner(index);
  pen.lineWidth = 2;
  pen.strokeStyle = marks.accent;
  pen.strokeRect(left, top, Math.max(3, grid.width), Math.max(3, grid.height));
}

/** What is under the mouse: the place of a tile, and the pixel in it. The canvas may be shown smaller than drawn. */
export function pointedAt(canvas: HTMLCanvasElement, event: MouseEvent, grid: Grid, count: number, tiles: Tiles) {
  const box = canvas.getBoundingClientRect();
  const ratio = (grid.columns * (grid.width + grid.gap)) / box.width;
  const [x, y] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  return hit(grid, count, x, y, tiles.columns, tiles.rows);
}

/** The place to which a key leads from `here`; null for a key that leads nowhere. */
export function placeByKey(key: string, here: number, columns: number, count: number): number | null {
  const by: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const to = key === "Home" ? 0 : key === "End" ? count - 1 : here + (by[key] ?? Number.NaN);
  return to >= 0 && to < count ? to : null;
}

export const isMove = (key: string): boolean => /^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(key);
