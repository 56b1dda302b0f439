// The traits as the panes draw them: decoded once, however many panes look.

import { f32, i32, u8 } from "./arrays.ts";
import { codeColors, decode, type Limits, limitsOf, packTable, type Table } from "./colors.ts";
import type { Context } from "./context.ts";
import { OcclusionMap, type Score } from "./occlusion.ts";

export interface Mosaic {
  layer: string;
  label: string;
  layout: string;
  /** How many tokens the layer has, if it has; the grid that they are shown as. */
  tokens: number | null;
  grid: [number, number] | null;
  shape: number[];
  units: number;
  height: number;
  width: number;
  /** A tile's pixel stands for `step` × `step` values. */
  step: number;
  rows: number;
  columns: number;
  low: Float32Array;
  high: Float32Array;
  mean: Float32Array;
  zeros: Float32Array;
  peak: Int32Array;
  sparsity: number;
  notFinite: number;
  data: Uint8Array;
  lowest: number;
  highest: number;
  dead: number;
}

export interface UnitMap {
  unit: number;
  rows: number;
  columns: number;
  step: number;
  exact: boolean;
  at(place: number): number;
}

function once<T>(make: (raw: any) => T): (raw: any) => T {
  let last: any;
  let made: T;
  return (raw) => {
    if (raw !== last) {
      made = make(raw);
      last = raw;
    }
    return made;
  };
}

export class Scene {
  constructor(private readonly context: Context) {}

  private decodeMosaic = once((raw: any): Mosaic | null => {
    if (!raw?.data) return null;
    const [low, high, zeros] = [f32(raw.low), f32(raw.high), f32(raw.zeros)];
    return {
      ...raw,
      low,
      high,
      zeros,
      mean: f32(raw.mean),
      peak: i32(raw.peak),
      data: u8(raw.data),
      notFinite: raw.not_finite,
      lowest: low.reduce((a, b) => Math.min(a, b)),
      highest: high.reduce((a, b) => Math.max(a, b)),
      dead: zeros.filter((zero) => zero === 1).length,
    };
  });
  private decodeUnit = once((raw: any) => (raw?.data ? { ...raw, values: f32(raw.data) } : null));
  private decodeMap = once((raw: any) => (raw?.tops ? new OcclusionMap(raw) : null));
  private decodeColors = once(
    (raw: any): Record<string, Table> =>
      Object.fromEntries(Object.entries(raw ?? {}).map(([name, rgb]) => [name, packTable(u8(rgb))])),
  );
  private decodePhoto = once((raw: any): HTMLImageElement | null => {
    if (!raw?.data) return null;
    const image = new Image();
    const url = URL.createObjectURL(new Blob([u8(raw.data).slice()], { type: "image/png" }));
    image.onload = () => {
      URL.revokeObjectURL(url);
      for (const react of this.loaded) react();
    };
    image.src = url;
    return image;
  });
  private loaded: (() => void)[] = [];

  get mosaic(): Mosaic | null {
    return this.decodeMosaic(this.context.get("mosaic"));
  }

  get map(): OcclusionMap | null {
    return this.decodeMap(this.context.get("heatmap"));
  }

  /** The photograph once it is decoded; `onPhoto` calls back when that is so. */
  get photo(): HTMLImageElement | null {
    const image = this.decodePhoto(this.context.get("photo"));
    return image?.complete && image.naturalWidth ? image : null;
  }

  onPhoto(react: () => void): void {
    this.loaded.push(react);
  }

  table(limits: Limits): Table {
    const tables = this.decodeColors(this.context.get("_colors"));
    return tables[limits[0] >= 0 ? "sequential" : this.context.dark ? "diverging_dark" : "diverging"];
  }

  /** What the colours of a unit's map reach to, by the chosen scale. */
  limits(mosaic: Mosaic, unit: number): Limits {
    const scale = this.context.get("scale");
    const locked = this.context.get<Limits | null>("limits");
    if (scale === "locked" && locked) return locked;
    const layer = limitsOf(mosaic.lowest, mosaic.highest);
    if (scale !== "unit") return layer;
    // The sign of the layer decides the colours, so that tiles side by side can be compared.
    const largest = Math.max(Math.abs(mosaic.low[unit]), Math.abs(mosaic.high[unit])) || layer[1];
    return layer[0] < 0 ? [-largest, largest] : [0, largest];
  }

  tileColors(mosaic: Mosaic, unit: number): Table {
    const limits = this.limits(mosaic, unit);
    return codeColors(mosaic.low[unit], mosaic.high[unit], limits, this.table(limits));
  }

  /** The selected unit's values: exact where they were sent, else from its 8-bit tile. */
  get unit(): UnitMap | null {
    const mosaic = this.mosaic;
    const unit = this.context.get<number>("unit");
    if (!mosaic || unit >= mosaic.units) return null;
    const sent = this.decodeUnit(this.context.get("unit_map"));
    if (sent && sent.layer === mosaic.layer && sent.unit === unit) {
      return {
        unit,
        rows: sent.rows,
        columns: sent.columns,
        step: 1,
        exact: true,
        at: (place) => sent.values[place],
      };
    }
    const start = unit * mosaic.rows * mosaic.columns;
    const at = (place: number) => decode(mosaic.data[start + place], mosaic.low[unit], mosaic.high[unit]);
    return { unit, rows: mosaic.rows, columns: mosaic.columns, step: mosaic.step, exact: false, at };
  }

  get target(): number {
    return this.context.get("target");
  }

  label(index: number): string {
    return this.context.get<string[]>("labels")[index] ?? `class ${index}`;
  }

  /** The scores with the occluder where it stands, if they are known: from the map, or from the kernel. */
  get underOccluder(): {
    score(index: number, kind: Score): number | null;
    top: number;
    topShare: number;
  } | null {
    const place = this.context.get<[number, number] | null>("occluder");
    if (!place) return null;
    const [size, fill] = [this.context.get<number>("size"), this.context.get<string>("fill")];
    const answer = this.context.get("occluded");
    if (answer && answer.size === size && answer.fill === fill && String(answer.place) === String(place)) {
      return {
        score: (index, kind) => answer[kind][answer.classes.indexOf(index)] ?? null,
        top: answer.top,
        topShare: answer.top_probability,
      };
    }
    const map = this.map;
    if (!map || map.data.size[0] !== size || map.data.fill !== fill) return null;
    const found = map.find(place[0], place[1]);
    if (!found) return null;
    const top = map.top(found.row, found.column);
    return {
      score: (index, kind) => (map.has(index) ? map.at(found.row, found.column, index, kind) : null),
      top: top.label,
      topShare: top.probability,
    };
  }
}
