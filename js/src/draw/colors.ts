// Codes to colours: uint8 textures are coloured here, so a change of scale or theme needs no kernel.

export const LEVELS = 252;
const MARKS = { nan: [214, 39, 214], negative: [0, 0, 0], positive: [255, 255, 255] } as const;

export type Limits = [low: number, high: number];

/** 256 packed RGBA values. */
export type Table = Uint32Array;

export function packTable(rgb: Uint8Array): Table {
  const packed = new Uint32Array(256);
  for (let at = 0; at < 256; at++) {
    packed[at] = (255 << 24) | (rgb[3 * at + 2] << 16) | (rgb[3 * at + 1] << 8) | rgb[3 * at];
  }
  return packed;
}

/** Limits for drawing: around zero where something is negative, from zero where nothing is. */
export function limitsOf(low: number, high: number): Limits {
  if (low < 0) {
    const largest = Math.max(-low, high);
    return [-largest, largest];
  }
  return [0, high > 0 ? high : 1];
}

export function colorOf(value: number, [low, high]: Limits, table: Table): number {
  const index = Math.round(((value - low) / (high - low || 1)) * 255);
  return table[Math.min(255, Math.max(0, index))];
}

/** The colour of each code of a tile whose codes run from `low` to `high`, drawn in `limits`. */
export function codeColors(low: number, high: number, limits: Limits, table: Table): Table {
  const colors = new Uint32Array(256);
  for (let code = 0; code <= LEVELS; code++) {
    colors[code] = colorOf(low + (code / LEVELS) * (high - low), limits, table);
  }
  [MARKS.nan, MARKS.negative, MARKS.positive].forEach(([r, g, b], mark) => {
    colors[LEVELS + 1 + mark] = (255 << 24) | (b << 16) | (g << 8) | r;
  });
  return colors;
}

/** The value of a code; NaN and ±∞ have codes of their own. */
export function decode(code: number, low: number, high: number): number {
  if (code > LEVELS) return [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY][code - LEVELS - 1];
  return low + (code / LEVELS) * (high - low);
}

/** Black or white, whichever is read better on a colour: by the relative luminance of WCAG 2. */
export function inkOn(packed: number): string {
  const linear = (value: number) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = [packed & 255, (packed >> 8) & 255, (packed >> 16) & 255].map(linear);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

export function css(packed: number): string {
  return `rgb(${packed & 255} ${(packed >> 8) & 255} ${(packed >> 16) & 255})`;
}

/** A "#rrggbb" colour with an alpha of 0…255, packed. */
export function packedHex(hex: string, alpha: number): number {
  const rgb = Number.parseInt(hex.slice(1), 16) || 0;
  return ((alpha << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}
