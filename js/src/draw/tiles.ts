// Where tiles are placed, in which order, and what is at a point.

export interface Grid {
  columns: number;
  rows: number;
  /** A tile and the gap after it, in CSS pixels. */
  width: number;
  height: number;
  gap: number;
}

/** The grid that shows `count` tiles of `across` × `down` pixels largest within `width` × `height`. */
export function layout(count: number, across: number, down: number, width: number, height: number): Grid {
  // A strip of many steps and one row is drawn higher than it is: it must be seen.
  down = Math.max(down, across / 24);
  across = Math.max(across, down / 24);
  let best: Grid | null = null;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const [wide, high] = [width / columns, height / rows];
    const gap = Math.min(wide, high) >= 5 && Math.max(wide, high) >= 10 ? 1 : 0;
    // A tile at most eight times its pixels: a layer of few small maps stays a mosaic.
    const tile = Math.min(wide - gap, ((high - gap) * across) / down, Math.max(8 * across, 96, (96 * across) / down));
    const grid = { columns, rows, width: tile, height: (tile * down) / across, gap };
    if (!best || grid.width >= best.width - 1e-9) best = grid; // of equal ones that with the longest rows
    if (width / columns < 2) break;
  }
  return best!;
}

export type Sort = "index" | "mean" | "maximum" | "zeros";

/** The units in the order of `sort`: largest first; by share of zeros, the sparsest first. */
export function order(sort: Sort, units: number, keys: Record<Exclude<Sort, "index">, Float32Array>): Int32Array {
  const places = Int32Array.from({ length: units }, (_, unit) => unit);
  if (sort === "index") return places;
  const key = keys[sort];
  return places.sort((a, b) => key[b] - key[a] || a - b);
}

/** The index in the order, and the pixel of its tile, under a point (a gap belongs to the tile before it). */
export function hit(
  grid: Grid,
  count: number,
  x: number,
  y: number,
  across: number,
  down: number,
): { index: number; row: number; column: number } | null {
  const column = Math.floor(x / (grid.width + grid.gap));
  const row = Math.floor(y / (grid.height + grid.gap));
  const index = row * grid.columns + column;
  if (column < 0 || row < 0 || column >= grid.columns || index >= count) return null;
  const insideX = (x - column * (grid.width + grid.gap)) / grid.width;
  const insideY = (y - row * (grid.height + grid.gap)) / grid.height;
  return {
    index,
    row: Math.min(down - 1, Math.floor(insideY * down)),
    column: Math.min(across - 1, Math.floor(insideX * across)),
  };
}

/** What a person types for a grid of tokens: "14 × 14", "7x28", "strip"; empty: detect it; undefined: invalid. */
export function gridFrom(text: string, tokens: number): [number, number] | "strip" | null | undefined {
  const typed = text.trim().toLowerCase();
  if (typed === "") return null;
  if (typed === "strip") return "strip";
  const match = /^(\d+)\s*[x×*,]\s*(\d+)$/.exec(typed);
  if (!match) return undefined;
  const [rows, columns] = [Number(match[1]), Number(match[2])];
  return rows > 0 && columns > 0 && rows * columns <= tokens ? [rows, columns] : undefined;
}
