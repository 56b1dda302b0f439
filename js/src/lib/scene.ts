// The traits as the panes draw them: decoded once, however many panes look.

import { f32, i32, u8 } from "./arrays.ts";
import { codeColors, decode, type Limits, limitsOf, packTable, type Table } from "./colors.ts";
import type { Context } from "./context.ts";
import { pictured } from "./dom.ts";
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

function keyOf(size: number, fill: string, shape: string): string {
  return `${size}|${fill}|${shape}`;
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
  private decodeMap = once((raw: any): OcclusionMap | null => {
    if (!raw?.tops) return null;
    const map = new OcclusionMap(raw);
    this.maps.set(keyOf(map.data.size[0], map.data.fill, map.data.shape), map);
    return map;
  });
  /** The maps of this photograph that were seen so far: they come back without the kernel. */
  private maps = new Map<string, OcclusionMap>();
  private mapsOf: unknown;
  private decodeColors = once(
    (raw: any): Record<string, Table> =>
      Object.fromEntries(Object.entries(raw ?? {}).map(([name, rgb]) => [name, packTable(u8(rgb))])),
  );
  private decodePhoto = once((raw: any): HTMLImageElement | null => {
    if (!raw?.data) return null;
    return pictured(u8(raw.data), () => {
      for (const react of this.loaded) react();
    });
  });
  private loaded: (() => void)[] = [];

  get mosaic(): Mosaic | null {
    return this.decodeMosaic(this.context.get("mosaic"));
  }

  /** The map of the chosen size, fill and shape if it was seen already; else the latest. */
  get map(): OcclusionMap | null {
    const photo = this.context.get("photo");
    if (photo !== this.mapsOf) this.maps.clear();
    this.mapsOf = photo;
    const latest = this.decodeMap(this.context.get("heatmap"));
    const seen = this.maps.get(this.key);
    return seen?.has(this.target) ? seen : latest;
  }

  private get key(): string {
    return keyOf(this.context.get("size"), this.context.get("fill"), this.context.get("shape"));
  }

  /** Whether the map is that of the chosen size, fill, shape and target. */
  isCurrent(map: OcclusionMap | null): map is OcclusionMap {
    if (!map?.has(this.target)) return false;
    return keyOf(map.data.size[0], map.data.fill, map.data.shape) === this.key;
  }

  /** The target's scores at the occluder's place under occluders of other sizes, smallest first. */
  get curve(): { sizes: number[]; score(kind: Score): number[] } | null {
    const place = this.context.get<[number, number] | null>("occluder");
    if (!place) return null;
    const [size, fill, shape] = ["size", "fill", "shape"].map((name) => this.context.get(name));
    const sent = this.context.get("curve");
    const same = sent && sent.size === size && sent.fill === fill && sent.shape === shape;
    const column = sent?.classes.indexOf(this.target);
    if (same && String(sent.place) === String(place) && column >= 0) {
      return { sizes: sent.sizes, score: (kind) => sent[kind][column] };
    }
    if (this.context.live) return null;
    // A saved page reads the maps that it holds, each at its nearest position.
    const points = this.context
      .answers("size|fill")
      .map((answer) => this.decodeAnswer(answer.heatmap))
      .filter((map) => map.data.fill === fill && map.has(this.target))
      .sort((one, other) => one.data.size[0] - other.data.size[0])
      .map((map) => ({ map, found: map.nearest(place[0] + size / 2, place[1] + size / 2) }))
      .filter((point) => point.found);
    if (points.length < 2) return null;
    return {
      sizes: points.map(({ map }) => map.data.size[0]),
      score: (kind) => points.map(({ map, found }) => map.at(found!.row, found!.column, this.target, kind)),
    };
  }

  private decodeMark = once((raw: any): [number, number] => {
    let [count, sum] = [0, 0];
    u8(raw).forEach((byte, at) => {
      for (let bit = 0; bit < 8; bit++) {
        if (byte & (128 >> bit)) [count, sum] = [count + 1, sum + 8 * at + bit];
      }
    });
    return [count, sum];
  });

  /** How many pixels are hidden by hand, and the sum of their places: the kernel's answer says the same. */
  get mark(): [number, number] {
    return this.decodeMark(this.context.get("mask"));
  }

  private answers = new Map<unknown, OcclusionMap>();

  private decodeAnswer(raw: any): OcclusionMap {
    let map = this.answers.get(raw);
    if (!map) this.answers.set(raw, (map = new OcclusionMap(raw)));
    return map;
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

  /** The place on the unit's map under the mouse, which other panes show too. */
  get hover(): [number, number] | null {
    return this.hovered;
  }

  set hover(place: [number, number] | null) {
    if (String(place) === String(this.hovered)) return;
    this.hovered = place;
    for (const react of this.hovering) react();
  }

  private hovered: [number, number] | null = null;
  private hovering: (() => void)[] = [];

  onHover(react: () => void): void {
    this.hovering.push(react);
  }

  /** The pixels that a place on the unit's map sees: [top, left, bottom, right], inclusive; null where none are known. */
  field(place: [number, number]): [number, number, number, number] | null {
    const { layer, rows, columns } = this.context.get("fields") ?? {};
    if (!rows || layer !== this.context.get("layer")) return null;
    const [down, across] = [rows[place[0]], columns[place[1]]];
    return down && across ? [down[0], across[0], down[1], across[1]] : null;
  }

  /** The place whose field's middle is nearest to a point of the image. */
  placeAt(y: number, x: number): [number, number] | null {
    const { layer, rows, columns } = this.context.get("fields") ?? {};
    if (!rows || layer !== this.context.get("layer")) return null;
    const nearest = (spans: [number, number][], to: number) =>
      spans.reduce((best, [low, high], at) => {
        const middle = (span: [number, number]) => Math.abs((span[0] + span[1] + 1) / 2 - to);
        return middle([low, high]) < middle(spans[best]) ? at : best;
      }, 0);
    return [nearest(rows, y), nearest(columns, x)];
  }

  /** Whether a part of the card, or what a saved page holds of it, is of the selected unit. */
  isOfUnit(payload: any): boolean {
    return payload?.layer === this.context.get("layer") && payload?.unit === this.context.get("unit");
  }

  get target(): number {
    return this.context.get("target");
  }

  label(index: number): string {
    // Of a great many classes only the names of those that are shown are sent.
    const sent = this.context.get<Record<string, string> | undefined>("names");
    return this.context.get<string[]>("labels")[index] ?? sent?.[index] ?? `class ${index}`;
  }

  /** The scores with what is hidden now, if they are known: by hand, or by the occluder (from the map, or the kernel). */
  get underOccluder(): {
    score(index: number, kind: Score): number | null;
    top: number;
    topShare: number;
  } | null {
    const told = (answer: any) => ({
      score: (index: number, kind: Score) => answer[kind][answer.classes.indexOf(index)] ?? null,
      top: answer.top,
      topShare: answer.top_probability,
    });
    const off = this.context.get<number[] | undefined>("off");
    // The bars are of the first image.
    const { rows, row } = { rows: this.context.get("rows"), row: this.context.get("row") };
    if (off?.length && !rows?.[row]?.photo) {
      const switched = this.context.get("switched");
      return switched && String(switched.off) === String(off) ? told(switched) : null;
    }
    if (this.context.get("mask")) {
      const masked = this.context.get("masked");
      const same = masked?.fill === this.context.get("fill") && String(masked.mark) === String(this.mark);
      return same ? told(masked) : null;
    }
    const place = this.context.get<[number, number] | null>("occluder");
    if (!place) return null;
    const answer = this.context.get("occluded");
    const same = answer && ["size", "fill", "shape"].every((name) => answer[name] === this.context.get(name));
    if (same && String(answer.place) === String(place)) return told(answer);
    const map = this.map;
    if (!this.isCurrent(map)) return null;
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
