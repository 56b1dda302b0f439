// The occlusion experiment: maps that were seen so far, and the scores with something hidden.

import { OcclusionMap, type Score } from "../draw/occlusion_map.ts";
import { once, u8 } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { Scene } from "./scene.ts";
import type { OcclusionMapPayload, ScoresWithTop } from "./traits.ts";

/** Scores of the image with something hidden. */
export interface HiddenScores {
  score(index: number, kind: Score): number | null;
  top: number;
  topShare: number | null;
}

function keyOf(size: number, fill: string, shape: string): string {
  return `${size}|${fill}|${shape}`;
}

function scoresOf(answer: ScoresWithTop): HiddenScores {
  return {
    score: (index, kind) => answer[kind][answer.classes.indexOf(index)] ?? null,
    top: answer.top,
    topShare: answer.top_probability,
  };
}

export class Experiment {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The maps of this photograph that were seen so far: they come back without the kernel. */
  #maps = new Map<string, OcclusionMap>();
  #mapsOf: unknown;
  #decodeMap = once((payload: OcclusionMapPayload | null | undefined): OcclusionMap | null => {
    if (!payload?.tops) return null;
    const map = new OcclusionMap(payload);
    this.#maps.set(keyOf(Math.max(...map.data.size), map.data.fill, map.data.shape), map);
    return map;
  });
  #answers = new Map<OcclusionMapPayload, OcclusionMap>();

  #decodeAnswer(payload: OcclusionMapPayload): OcclusionMap {
    const map = this.#answers.get(payload) ?? new OcclusionMap(payload);
    this.#answers.set(payload, map);
    return map;
  }

  /** The map of the chosen size, fill and shape if it was seen already; else the latest. */
  get map(): OcclusionMap | null {
    const photo = this.#context.get("photo");
    if (photo !== this.#mapsOf) this.#maps.clear();
    this.#mapsOf = photo;
    const latest = this.#decodeMap(this.#context.find("occlusion_map"));
    const seen = this.#maps.get(this.#key);
    return seen?.has(this.#context.get("target")) ? seen : latest;
  }

  get #key(): string {
    return keyOf(this.#context.get("size"), this.#context.get("fill"), this.#context.get("shape"));
  }

  /** Whether the map is that of the chosen size, fill, shape and target. */
  isCurrent(map: OcclusionMap | null): map is OcclusionMap {
    if (!map?.has(this.#context.get("target"))) return false;
    return keyOf(Math.max(...map.data.size), map.data.fill, map.data.shape) === this.#key;
  }

  /** Where the curve is read: at the occluder, else at the map's lowest place. */
  get curvePlace(): [top: number, left: number] | null {
    const occluder = this.#context.get("occluder");
    const map = this.map;
    if (occluder || !this.isCurrent(map)) return occluder;
    const lowest = map.lowest(this.#context.get("target"));
    return lowest && [map.data.tops[lowest.row], map.data.lefts[lowest.column]];
  }

  /** The target's scores at that place under occluders of other sizes, smallest first. */
  get curve(): { sizes: number[]; score(kind: Score): (number | null)[] } | null {
    const occluder = this.curvePlace;
    if (!occluder) return null;
    const [size, fill, shape] = [this.#context.get("size"), this.#context.get("fill"), this.#context.get("shape")];
    const target = this.#context.get("target");
    const sent = this.#context.get("size_curve");
    if (
      sent &&
      sent.size === size &&
      sent.fill === fill &&
      sent.shape === shape &&
      String(sent.position) === String(occluder)
    ) {
      const column = sent.classes.indexOf(target);
      if (column >= 0) return { sizes: sent.sizes, score: (kind) => sent[kind][column] };
    }
    if (this.#context.live) return null;
    // A saved page reads the maps that it holds, each at its nearest position.
    const points = this.#context
      .answers("size|fill")
      .flatMap(({ occlusion_map: payload }) => (payload ? [this.#decodeAnswer(payload)] : []))
      .filter((map) => map.data.fill === fill && map.has(target))
      .sort((a, b) => Math.max(...a.data.size) - Math.max(...b.data.size))
      .flatMap((map) => {
        const nearest = map.nearest(occluder[0] + size / 2, occluder[1] + size / 2);
        return nearest ? [{ map, ...nearest }] : [];
      });
    if (points.length < 2) return null;
    return {
      sizes: points.map(({ map }) => Math.max(...map.data.size)),
      score: (kind) => points.map(({ map, row, column }) => map.at(row, column, target, kind)),
    };
  }

  #decodeMark = once((mask: DataView | null): [number, number] => {
    let [count, sum] = [0, 0];
    if (mask)
      u8(mask).forEach((byte, at) => {
        for (let bit = 0; bit < 8; bit++) {
          if (byte & (128 >> bit)) [count, sum] = [count + 1, sum + 8 * at + bit];
        }
      });
    return [count, sum];
  });

  /** How many pixels are painted over, and the sum of their places: the kernel's answer says the same. */
  get mark(): [number, number] {
    return this.#decodeMark(this.#context.get("mask"));
  }

  /** Whether something is hidden now: by the occluder, by hand, or superpixels of the first image. */
  get isHiding(): boolean {
    return Boolean(this.#context.find("occluder") || this.#context.find("mask") || this.#switchedOff.length);
  }

  /** The superpixels that are switched off, where the bars are of the same image. */
  get #switchedOff(): number[] {
    const off = this.#context.find("switched_off") ?? [];
    return off.length && !this.#context.get("rows")?.[this.#context.get("row")]?.photo ? off : [];
  }

  /** The scores with what is hidden now, if they are known. */
  get hiddenScores(): HiddenScores | null {
    const off = this.#switchedOff;
    if (off.length) {
      const switched = this.#context.get("switched_scores");
      return switched && String(switched.off) === String(off) ? scoresOf(switched) : null;
    }
    if (this.#context.find("mask")) {
      const masked = this.#context.get("masked");
      const same = masked && masked.fill === this.#context.get("fill") && String(masked.mark) === String(this.mark);
      return same ? scoresOf(masked) : null;
    }
    const occluder = this.#context.find("occluder");
    if (!occluder) return null;
    const answer = this.#context.get("occluded");
    const same =
      answer && (["size", "fill", "shape"] as const).every((name) => answer[name] === this.#context.get(name));
    if (same && String(answer.position) === String(occluder)) return scoresOf(answer);
    const map = this.map;
    if (!this.isCurrent(map)) return null;
    const nearest = map.find(occluder[0], occluder[1]);
    if (!nearest) return null;
    const top = map.top(nearest.row, nearest.column);
    return {
      score: (index, kind) => (map.has(index) ? map.at(nearest.row, nearest.column, index, kind) : null),
      top: top.label,
      topShare: top.probability,
    };
  }
}

const experiments = new WeakMap<Scene, Experiment>();

/** The experiment of a scene; only the views that show one contain this module. */
export function experimentOf(scene: Scene): Experiment {
  const known = experiments.get(scene) ?? new Experiment(scene.context);
  experiments.set(scene, known);
  return known;
}
