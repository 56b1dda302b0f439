// The traits of the views of functions, small: y = |u| in the box from −1 to 1, two pieces.

import type { Traits } from "../src/model/traits.ts";

const view = (numbers: ArrayLike<number> & ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);

export function plane() {
  return {
    box: [
      [-1, 1],
      [-1, 1],
    ],
    regions: {
      box: [
        [-1, 1],
        [-1, 1],
      ],
      corners: view(Float32Array.of(-1, -1, 0, -1, 0, 1, -1, 1, 0, -1, 1, -1, 1, 1, 0, 1)),
      starts: view(Int32Array.of(0, 4, 8)),
      edges: view(Int32Array.of(-1, 0, -1, -1, -1, -1, -1, 0)),
      // Two outputs: |u| and a constant 0.5.
      weights: view(Float32Array.of(-1, 0, 0, 0, 1, 0, 0, 0)),
      bias: view(Float32Array.of(0, 0.5, 0, 0.5)),
      outputs: 2,
      operations: ["relu"],
      about: "all that was found",
    },
    plane_samples: null,
    points: {
      places: view(Float32Array.of(-0.75, 0, 0, 0)),
      classes: view(Int32Array.of(0, 1)),
      names: [],
      axes: ["x1", "x2"],
      pictures: [],
    },
    fill_by: "class",
    here: [0.8, 0],
    plane_note: "",
    closer: 0,
    training: { step: 20, losses: [0.7, 0.1], accuracy: 0.9, regions: [3, 2], running: false, per_second: 40 },
    train: false,
    rate: 0.01,
    steps_each: 5,
    restart: 0,
    can_train: true,
    labels: ["<i>cat</i>", "<b>dog</b>"],
  } satisfies Partial<Traits>;
}

export function samples() {
  return {
    box: [
      [0, 2],
      [0, 2],
    ],
    side: 2,
    classes: view(Int32Array.of(0, 1, 1, 0)),
    leads: view(Float32Array.of(1, 2, 3, 4)),
    slopes: view(Float32Array.of(0, 1, 2, 3)),
    outputs: 2,
  };
}
