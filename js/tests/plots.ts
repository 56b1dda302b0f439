// What the views of the landscape, of similarity and of theories are given.

import type { PlotPayload, Traits } from "../src/model/traits.ts";

export function chart(): PlotPayload {
  const none = { low: null, high: null };
  return {
    title: "all that was found",
    x: "max",
    y: "conv",
    log_x: true,
    log_y: false,
    series: [
      { name: "relu", kind: "theory", x: [1, 10, 100], y: [0, 1, null], ...none },
      { name: "head", kind: "limit", x: [1, 100], y: [0.5, 0.5], ...none },
      { name: "conv", kind: "measured", x: [1, 10, 100], y: [0.1, 0.9, 2], low: [0, 0.5, null], high: [0.2, 1, null] },
      { name: "spare", kind: "dots", x: [0, 30], y: [1, 1], ...none },
    ],
  };
}

export function theorised() {
  return {
    theory: "edge of chaos",
    theory_settings: '{"scale":2}',
    theories: { "edge of chaos": "conv", "double descent": "relu" },
    experiment: {
      title: "conv",
      about: "all that was found",
      check: "A finding.",
      settings: [
        { name: "scale", label: "max", values: [1, 2, 4], words: [], usual: 1 },
        { name: "kind", label: "head", values: ["tanh", "relu"], words: ["conv", "ReLU"], usual: "tanh" },
      ],
      plots: [chart(), chart()],
      words: "The score follows it.",
      share: 1,
      running: false,
    },
    resume: 0,
    cancel: 0,
  } satisfies Partial<Traits>;
}

export function landscaped() {
  return {
    landscape: {
      x: [-1, 0, 1],
      y: [-1, 0, 1],
      names: ["conv", "relu"],
      values: [4, 2, 4, 2, 0.1, 2, 4, null, 4],
      centre: 0.1,
      share: 8 / 9,
      running: true,
      words: "all that was found",
      skipped: [[3, "truncated"]],
      path: [
        { step: 1, x: -1, y: 0.5 },
        { step: 8, x: 0, y: 0 },
      ],
    },
    directions: "path",
    span: 0.3,
    has_path: true,
    curvature: { values: [3, -1], bound: 10, running: true, words: "A finding." },
    between: chart(),
    between_words: "The score follows it.",
    resume: 0,
    cancel: 0,
  } satisfies Partial<Traits>;
}

export function alike() {
  return {
    similarity: {
      first: ["conv", "relu"],
      second: ["conv", "relu", "head"],
      values: [
        [1, 0.5, 0.1],
        [0.5, 0.9, 0.2],
      ],
      null: [
        [0.1, 0.1, 0.1],
        [0.1, 0.1, 0.1],
      ],
      high: [
        [0.2, 0.2, 0.2],
        [0.2, 0.2, 0.2],
      ],
      words: "all that was found",
    },
    changed: { layer: "relu", units: [3, 1], values: [1.2, 0.25], constant: 1, count: 4 },
    changed_layer: "relu",
    changed_layers: ["conv", "relu"],
  } satisfies Partial<Traits>;
}
