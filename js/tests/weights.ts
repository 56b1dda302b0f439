// The traits of the views of weights, small: two filters in colour of 2 × 2 pixels.

import type { Texture, Traits, WeightRow } from "../src/model/traits.ts";

const view = (numbers: ArrayLike<number> & ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);

export function texture(planes: number, values: number[], side = 2): Texture {
  const data = view(Int8Array.from(values));
  return { planes, colours: planes === 3, rows: side, columns: side, step: 1, largest: 2, data };
}

export function row(name: string, more: Partial<WeightRow> = {}): WeightRow {
  const distribution = { low: -1, high: 1, shares: [0.25, 0.5, 0.25], reference: [0.4, 0.3, 0.3] };
  const beside = { value: 4.8, low: -1.21, high: -1.19, score: 800, differs: true };
  return {
    name,
    label: "Conv2d",
    filters: 2,
    same_as: [],
    problem: "",
    weights: distribution,
    norms: distribution,
    angles: { ...distribution, low: 0, high: 180 },
    uniformity: [
      [0.05, 0.8],
      [0.35, 0.0004],
    ],
    frequencies: distribution,
    singular: { values: [3, 1], random: [1.5, 1], reference: [1.4, 1.1], threshold: 1.6, count: 2 },
    tail: { alpha: 1.62, error: 0.1, xmin: 1, distance: 0.17, critical: 0.15, count: 42, of: 64 },
    numbers: { kurtosis: beside, "stable rank": { ...beside, value: 0.2, low: 0.5, high: 0.5, differs: false } },
    findings: ["A finding."],
    draws: 5,
    ...more,
  };
}

export function weighed() {
  const entry = {
    method: "low-rank",
    setting: 4,
    words: "low-rank 4",
    weight_error: 0.5,
    parameters: [100, 40] as [number, number],
    flops: [1000, 600] as [number, number],
    accuracy: 0.97,
    agreement: 0.98,
    loss: [0.01, -0.005, 0.03] as [number, number, number],
  };
  return {
    weight: "conv",
    filter: 1,
    weight_names: [
      { name: "conv", label: "Conv2d", problem: "" },
      { name: "head", label: "Conv2d", problem: "truncated" },
    ],
    linked: true,
    bank: {
      name: "conv",
      label: "Conv2d",
      same_as: [],
      words: "several scores, with no softmax or sigmoid after them",
      filters: 2,
      reads: 3,
      channel: null,
      planes: 1,
      rows: 2,
      columns: 2,
      step: 1,
      data: view(Int8Array.of(127, 0, 0, -127, 64, 64, 64, 64)),
      peak: view(Float32Array.of(2, 1)),
      norm: view(Float32Array.of(1, 3)),
      angle: view(Float32Array.of(90, 30)),
      frequency: view(Float32Array.of(0.1, 0.3)),
      similar: view(Int32Array.of(1, 0)),
      dead: [0],
      duplicates: [[0, 1]],
      r_squared: view(Float32Array.of(0.9, 0.5)),
      noise: [0.14, 0.21],
    },
    bank_problem: "",
    detail: {
      weight: "conv",
      filter: 1,
      norm: 3,
      mean: 0.1,
      skewness: 1,
      kurtosis: null,
      share: 0.8,
      angle: 30,
      frequency: 0.3,
      similar: [[0, 0.96]],
      pattern: texture(1, [127, 0, 0, -127]),
      kernels: texture(3, [127, 0, 0, -127, 1, 2, 3, 4, 5, 6, 7, 8]),
      channels: [2, 0, 1],
      power: texture(1, [0, 127, 64, 0]),
      gabor: { r_squared: 0.9, angle: 31, frequency: 0.29, sigma: [1, 2], texture: texture(1, [100, 0, 0, -100]) },
      words: "several scores, with no softmax or sigmoid after them",
    },
    filter_order: "index",
    filter_scale: "filter",
    channel: null,
    expanded: { weight: "conv", filter: 1, words: "the output itself", texture: texture(1, [1, 2, 3, 4]), problem: "" },
    expanded_by: "linear",
    tuning: {
      weight: "conv",
      filter: 1,
      orientations: [0, 90],
      frequencies: [0.1, 0.4],
      values: view(Float32Array.of(1, 4, 2, Number.NaN)),
      grey: 0.5,
      best: [0, 0.4, 4],
      selectivity: 0.7,
      done: 0.75,
      problem: "",
    },
    heads: {
      name: "block",
      width: 2,
      heads: [
        {
          query_key: texture(1, [1, 2, 3, 4]),
          value_output: texture(1, [1, 2, 3, 4]),
          query_key_values: [2, 1],
          value_output_values: [2, 1],
          copying: 0.9,
          symmetry: null,
        },
      ],
    },
    weight_rows: [row("conv"), row("head", { problem: "truncated" }), row("block", { tail: null, angles: null })],
    measures: [
      { name: "kurtosis", title: "Conv2d", meaning: "the output itself" },
      { name: "stable rank", title: "Conv2d", meaning: "the output itself" },
    ],
    against: "initial",
    references: ["spare"],
    ordered_by: "",
    not_shown: "the output itself",
    weights_progress: { done: 3, total: 18, running: true },
    sweep: {
      layer: "conv",
      label: "Conv2d",
      results: [entry, { ...entry, method: "prune", setting: null, words: "prune 50 %", accuracy: 0.5, flops: null }],
      done: 2,
      total: 3,
      running: true,
      images: 40,
      skipped: [[7, "truncated"]],
      accuracy: 0.98,
      parameters: 100,
      flops: 1000,
      smallest: 0,
    },
    loss: 0.01,
    resume: 0,
  } satisfies Partial<Traits>;
}
