// The traits of the views of functions, small: y = |u| in the box from −1 to 1, two pieces.

import type { FormulaPayload, Traits, TreePayload } from "../src/model/traits.ts";

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

const number = (value: number): TreePayload => ({ op: "number", value });
const name = (word: string): TreePayload => ({ op: "name", name: word });
const of = (op: string, ...parts: TreePayload[]): TreePayload => ({ op, parts });

/** h1_1 = max(0, 2 x1 − 0.5 x2 + 1.2345), y = −3 h1_1 + 1. */
export function linear(): FormulaPayload {
  const sum = of("+", of("*", number(2), name("x1")), of("*", number(-0.5), name("x2")), number(1.2345));
  return {
    inputs: ["x1", "x2"],
    outputs: ["y"],
    layers: [
      { operation: "relu", definitions: [{ name: "h1_1", tree: of("max", number(0), sum) }] },
      {
        operation: "head",
        definitions: [{ name: "y", tree: of("+", of("*", number(-3), name("h1_1")), number(1)) }],
      },
    ],
    size: 8,
    start: [0.5, 1],
    difference: 2e-16,
    points: 1000,
    about: "all that was found",
  };
}

/** Every function that a formula may have, of x1 = 0.4, in one sum. */
export function smooth(): FormulaPayload {
  const x = name("x1");
  const parts = ["tanh", "exp", "log", "sin", "cos", "abs", "erf"].map((op) => of(op, x));
  const sigmoid = of("^", of("+", number(1), of("exp", of("*", number(-1), x))), number(-1));
  const tree = of("+", ...parts, sigmoid, of("min", x, number(2)), of("*", x, x), of("^", x, number(0.5)));
  return {
    ...linear(),
    inputs: ["x1"],
    start: [0.4],
    layers: [{ operation: "head", definitions: [{ name: "y", tree }] }],
  };
}

export function written() {
  const expanded = [{ name: "y", tree: of("*", number(-3), of("max", number(0), name("x1"))) }];
  return {
    formula: linear(),
    whole: { expanded, simplified: null },
    whole_problem: "",
    form: "layers",
    digits: 4,
    inputs_at: [0.5, 1],
    varied: 0,
    formula_code: { latex: "conv", python: "head", c: "relu", digits: 4 },
  } satisfies Partial<Traits>;
}

export function local() {
  return {
    local_map: {
      texture: {
        planes: 3,
        colours: true,
        rows: 1,
        columns: 2,
        step: 1,
        largest: 1.27,
        data: view(Int8Array.of(127, 0, 0, -127, 0, 0)),
      },
      value: 3,
      bias: 1,
      length: 2,
      input_length: 5,
      exact: true,
      why: "",
      against: 0,
      about: "all that was found",
    },
    map_of: "lead",
    reach: {
      rows: [
        { name: "truncated", distance: 0.001, share: 0.0002, levels: 0.05, layer: "relu" },
        { name: "truncated", distance: null, share: null, levels: null, layer: "" },
      ],
      validity: {
        distances: [0.0001, 0.01, 1],
        errors: [
          [1e-6, 0.02, 0.9],
          [1e-6, 1e-6, 0.3],
        ],
        smallest: 1e-6,
        limit: 0.1,
        radius: 0.2,
        about: "all that was found",
      },
      examined: 16,
      certain: true,
    },
    line: {
      at: [0, 0.25, 1],
      best: [1, 0, 0],
      classes: [1, 0],
      scores: [
        [2, 1, 0],
        [1, 1.5, 2],
      ],
      pieces: 2,
      exact: true,
      about: "all that was found",
      other: null,
      other_name: "",
    },
    along: 0.5,
    target: 1,
    labels: ["<i>cat</i>", "<b>dog</b>"],
  } satisfies Partial<Traits>;
}

export function sensitive() {
  const row = { low: [1, 1, 2], middle: [1, 2, 4], high: [1, 3, 8] };
  return {
    growth: {
      layers: ["conv", "relu", "head"],
      rows: [
        { of: "model", kind: "random", ...row },
        { of: "model", kind: "gradient", ...row },
        { of: "model", kind: "stretched", ...row },
        { of: "initial", kind: "random", ...row },
        { of: "scaled", kind: "random", ...row },
      ],
      depth: 2,
      facts: ["all that was found"],
    },
    stretches: [
      { of: "model", exponents: [0.5, null] },
      { of: "initial", exponents: [-0.25, -0.5] },
    ],
    weight_scale: 1,
    adversarial: {
      rows: [
        { name: "truncated", distance: 2.2, share: 0.04, levels: 43, layer: "" },
        { name: "truncated", distance: null, share: null, levels: null, layer: "" },
      ],
      image: { data: view(new Uint8Array(4)), width: 2, height: 1 },
      difference: local().local_map.texture,
      before: 1,
      after: 0,
      about: "all that was found",
    },
    amplified: 10,
    surrogates: {
      radii: [0.1, 1],
      rows: [
        { kind: "linear", scores: [1, 0.2], failure: 0.5 },
        { kind: "tree", scores: [1, 0.95], failure: null },
        { kind: "symbolic", scores: [1, -1], failure: 0.3 },
      ],
      limit: 0.9,
      length: 2,
      formula: "relu",
      missing: ["conv"],
    },
    fit: 0,
    fitted: null,
  } satisfies Partial<Traits>;
}

export function chaotic() {
  return {
    exponents: {
      values: [0.1, -0.2, null],
      errors: [0.01, 0.02, null],
      steps: 90,
      collapsed: 1,
      dimension: 1.5,
      about: "all that was found",
    },
    recurrent_layer: "conv",
    recurrent_layers: ["conv", "head"],
  } satisfies Partial<Traits>;
}
