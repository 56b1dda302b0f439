// The linear pieces of a network in a plane: polygons with the linear function that holds on each.

import { f32, i32, once } from "./arrays.ts";
import type { RegionsPayload, SamplesPayload } from "./traits.ts";

export type Point = [u: number, v: number];

/** The part of a piece on which one class has the largest score. */
export interface ClassPart {
  class: number;
  corners: Point[];
  /** Whether the edge after each corner is one where the class changes. */
  changes: boolean[];
}

export interface Plane {
  count: number;
  payload: RegionsPayload;
  corners(piece: number): Point[];
  /** For the edge after each corner the operation whose unit switches there; -1 at the border of the box. */
  edges(piece: number): number[];
  /** The outputs at a point of a piece. */
  outputs(piece: number, point: Point): number[];
  /** The slope of an output in the plane. */
  gradient(piece: number, output: number): Point;
  parts(piece: number): ClassPart[];
  /** The class with the largest score; of a single output 1 where it is positive. */
  best(piece: number, point: Point): number;
  /** How fast the score of the best class gains on the second in the middle of a piece. */
  slope(piece: number): number;
  /** The piece that holds a point; -1 where none does. */
  at(point: Point): number;
}

export interface Samples {
  payload: SamplesPayload;
  classes: Int32Array;
  leads: Float32Array;
  slopes: Float32Array;
  /** The cell of the grid that holds a point; -1 outside. */
  at(point: Point): number;
}

export const samplesOf = once((payload: SamplesPayload | null | undefined): Samples | null => {
  if (!payload) return null;
  const [[left, right], [bottom, top]] = payload.box;
  const n = payload.side;
  return {
    payload,
    classes: i32(payload.classes),
    leads: f32(payload.leads),
    slopes: f32(payload.slopes),
    at([u, v]) {
      const [column, row] = [
        Math.floor(((u - left) / (right - left)) * n),
        Math.floor(((v - bottom) / (top - bottom)) * n),
      ];
      return column >= 0 && column < n && row >= 0 && row < n ? row * n + column : -1;
    },
  };
});

export const planeOf = once((payload: RegionsPayload | null | undefined): Plane | null => {
  if (!payload) return null;
  const [places, starts, edges] = [f32(payload.corners), i32(payload.starts), i32(payload.edges)];
  const [weights, bias, k] = [f32(payload.weights), f32(payload.bias), payload.outputs];
  const count = starts.length - 1;
  // Each is asked for several times in a drawing, and many drawings a second are made while a network is trained.
  const corners = each((piece: number): Point[] => {
    const made: Point[] = [];
    for (let at = starts[piece]; at < starts[piece + 1]; at++) made.push([places[2 * at], places[2 * at + 1]]);
    return made;
  });
  const gradient = (piece: number, output: number): Point => [
    weights[2 * (piece * k + output)],
    weights[2 * (piece * k + output) + 1],
  ];
  const outputs = (piece: number, [u, v]: Point) =>
    Array.from({ length: k }, (_, output) => {
      const [a, b] = gradient(piece, output);
      return a * u + b * v + bias[piece * k + output];
    });
  /** The scores of the classes: a single output is that of class 1 against 0. */
  const scores = (piece: number, point: Point) => (k === 1 ? [0, ...outputs(piece, point)] : outputs(piece, point));
  const slopes = (piece: number, which: number): Point =>
    k > 1 ? gradient(piece, which) : which === 1 ? gradient(piece, 0) : [0, 0];
  const best = (piece: number, point: Point) => {
    const values = scores(piece, point);
    return values.indexOf(Math.max(...values));
  };
  const at = (point: Point) => {
    for (let piece = 0; piece < count; piece++) if (holds(corners(piece), point)) return piece;
    return -1;
  };
  return {
    count,
    payload,
    corners,
    edges: (piece) => [...edges.subarray(starts[piece], starts[piece + 1])],
    outputs,
    gradient,
    best,
    at,
    parts: each((piece) => {
      const whole = corners(piece);
      const winners = new Set(whole.map((corner) => best(piece, corner)));
      if (winners.size === 1) return [{ class: [...winners][0], corners: whole, changes: whole.map(() => false) }];
      const parts: ClassPart[] = [];
      for (let which = 0; which < Math.max(2, k); which++) {
        let part: ClassPart = { class: which, corners: whole, changes: whole.map(() => false) };
        for (let other = 0; other < Math.max(2, k) && part.corners.length; other++) {
          const lead = (point: Point) => {
            const values = scores(piece, point);
            return values[which] - values[other];
          };
          if (other !== which) part = above(part, lead);
        }
        if (part.corners.length > 2) parts.push(part);
      }
      return parts;
    }),
    slope(piece) {
      const values = scores(piece, middle(corners(piece)));
      const order = values.map((_, place) => place).sort((one, other) => values[other] - values[one]);
      const [first, second] = [slopes(piece, order[0]), slopes(piece, order[1] ?? order[0])];
      return Math.hypot(first[0] - second[0], first[1] - second[1]);
    },
  };
});

/** A function of a piece that computes each value once. */
function each<Value>(make: (piece: number) => Value): (piece: number) => Value {
  const known: (Value | undefined)[] = [];
  return (piece) => {
    known[piece] ??= make(piece);
    return known[piece] as Value;
  };
}

export function middle(corners: Point[]): Point {
  const sum = corners.reduce<Point>(([a, b], [u, v]) => [a + u, b + v], [0, 0]);
  return [sum[0] / corners.length, sum[1] / corners.length];
}

function holds(corners: Point[], [u, v]: Point): boolean {
  let sides = 0;
  for (const [place, [a, b]] of corners.entries()) {
    const [c, d] = corners[(place + 1) % corners.length];
    sides += Math.sign((c - a) * (v - b) - (d - b) * (u - a));
  }
  return Math.abs(sides) === corners.length;
}

/** The part of a polygon where a linear function is not negative; the cut is an edge where the class changes. */
function above(part: ClassPart, height: (point: Point) => number): ClassPart {
  const heights = part.corners.map(height);
  const [corners, changes]: [Point[], boolean[]] = [[], []];
  for (const [place, now] of heights.entries()) {
    const following = (place + 1) % heights.length;
    const later = heights[following];
    if (now >= 0) {
      corners.push(part.corners[place]);
      changes.push(part.changes[place]);
    }
    if (now >= 0 === later >= 0) continue;
    const share = now / (now - later);
    const [[a, b], [c, d]] = [part.corners[place], part.corners[following]];
    corners.push([a + share * (c - a), b + share * (d - b)]);
    changes.push(now >= 0 ? true : part.changes[place]);
  }
  return { class: part.class, corners, changes };
}
