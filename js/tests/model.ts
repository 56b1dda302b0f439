// A widget's traits as Python would send them, small.

import type { Model } from "../src/lib/context.ts";

const view = (numbers: ArrayLike<number> & ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);
const table = () => view(Uint8Array.from({ length: 768 }, (_, at) => at % 256));

/** Two units of 2 × 2: values 0…3 and −1…1 in 8 bits. */
export function mosaic(layer = "conv") {
  return {
    layer,
    label: "Conv2d",
    kind: "convolution",
    shape: [1, 2, 2, 2],
    layout: "one map per channel",
    tokens: null,
    grid: null,
    units: 2,
    height: 2,
    width: 2,
    step: 1,
    rows: 2,
    columns: 2,
    low: view(Float32Array.of(0, 0)),
    high: view(Float32Array.of(3, 0)),
    mean: view(Float32Array.of(1.5, 0)),
    zeros: view(Float32Array.of(0.25, 1)),
    peak: view(Int32Array.of(1, 1, 0, 0)),
    sparsity: 0.625,
    not_finite: 0,
    data: view(Uint8Array.of(0, 84, 168, 252, 0, 0, 0, 0)),
  };
}

/** A 2 × 2 experiment on an 8 × 8 image, three of four positions computed, two targets. */
export function heatmap() {
  const gap = Number.NaN;
  return {
    size: [4, 4],
    stride: [4, 4],
    image: [8, 8],
    fill: "grey",
    tops: [0, 4],
    lefts: [0, 4],
    targets: [1, 0],
    clean_probability: [0.8, 0.2],
    clean_logit: [2, 1],
    probability: view(Float32Array.of(0.5, 0.9, 0.8, gap, 0.5, 0.1, 0.2, gap)),
    logit: view(Float32Array.of(1, 3, 2, gap, 1, 0, 1, gap)),
    top: view(Int32Array.of(0, 1, 1, -1)),
    top_probability: view(Float32Array.of(0.5, 0.9, 0.8, gap)),
    done: 3,
  };
}

export function state(): Record<string, any> {
  return {
    target: 1,
    layer: "conv",
    unit: 0,
    position: null,
    grid: null,
    scale: "layer",
    limits: null,
    labels: ["cat", "<b>dog</b>"],
    photo: {
      data: view(new Uint8Array(8)),
      width: 8,
      height: 8,
      name: "a.png",
      path: "photos/a.png",
      shown_as: "the model's input",
    },
    scores: { classes: [1, 0], probability: [0.8, 0.2], logit: [2, 1] },
    hide: [],
    busy: "",
    error: null,
    note: "",
    cancel: 0,
    resume: 0,
    _colors: { sequential: table(), diverging: table(), diverging_dark: table() },
    tree: [
      { name: "conv", label: "Conv2d", kind: "convolution", module: "conv", shape: [1, 2, 2, 2] },
      { name: "block.relu", label: "ReLU", kind: "activation", module: "block.relu", shape: [1, 2, 2, 2] },
      { name: "spare", silent: true },
    ],
    mosaic: mosaic(),
    unit_map: { layer: "conv", unit: 0, rows: 2, columns: 2, data: view(Float32Array.of(0, 1, 2, 3)) },
    sort: "index",
    overlay: false,
    size: 4,
    sizes: [1, 4, 1],
    stride: 4,
    fill: "grey",
    score: "probability",
    definition: "position",
    occluder: null,
    occluded: null,
    heatmap: heatmap(),
  };
}

export function liveModel(values = state()): Model & { values: Record<string, any>; saved: number } {
  const listeners = new Map<string, Set<() => void>>();
  const model = {
    values,
    saved: 0,
    get: (name: string) => values[name],
    set(name: string, value: unknown) {
      values[name] = value;
      for (const react of [...(listeners.get(`change:${name}`) ?? [])]) react();
    },
    save_changes() {
      model.saved += 1;
    },
    on(event: string, react: () => void) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event)!.add(react);
    },
    off: (event: string, react: () => void) => void listeners.get(event)?.delete(react),
    listening: () => [...listeners.values()].reduce((sum, all) => sum + all.size, 0),
  };
  return model as any;
}
