// A widget's traits as Python would send them, small.

import type { Model } from "../src/model/context.ts";
import type {
  AttributionPayload,
  EvidencePayload,
  ExampleItem,
  MethodName,
  Mosaic,
  OcclusionMapPayload,
  SurrogatePayload,
  Traits,
} from "../src/model/traits.ts";

const view = (numbers: ArrayLike<number> & ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);
const table = () => view(Uint8Array.from({ length: 768 }, (_, at) => at % 256));

/** Two units of 2 × 2: values 0…3 and −1…1 in 8 bits. */
export function mosaic(layer = "conv"): Mosaic {
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
export function occlusionMap(): OcclusionMapPayload {
  const gap = Number.NaN;
  return {
    size: [4, 4],
    stride: [4, 4],
    image: [8, 8],
    fill: "grey",
    shape: "rectangle",
    how: "",
    floor_probability: [0, 0],
    floor_logit: [0, 0],
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

/** The card of unit 0 of "conv". */
export function card() {
  const here = { layer: "conv", unit: 0 };
  const part = (layer: string, unit: number, value: number) => ({ layer, unit, value });
  const item: ExampleItem = {
    item: 3,
    value: 2.5,
    rank: 0.99,
    position: [1, 0],
    name: "b.png",
    label: "<i>cat</i>",
    box: [2, 0, 5, 3],
    width: 8,
    whole: view(new Uint8Array(8)),
    back: null,
    why: "no gradient",
  };
  return {
    card: true,
    card_module: "",
    receptive_fields: {
      ...here,
      rows: [
        [0, 3],
        [4, 7],
      ],
      columns: [
        [0, 3],
        [4, 7],
      ],
    },
    rule: "gradient",
    start: "maximum",
    back_projection_display: "colour",
    smooth: false,
    origin: null,
    back_projection: {
      ...here,
      rule: "gradient",
      start: "maximum",
      at: null,
      planes: 1,
      colours: true,
      rows: 2,
      columns: 2,
      step: 1,
      largest: 0.5,
      data: view(Int8Array.of(0, 127, -127, 64)),
      value: 3,
      position: [1, 1],
      words: "gradient of conv · 0",
    },
    connections: {
      ...here,
      position: [1, 1],
      operation: "conv",
      label: "Conv2d",
      total: 3,
      before_activation: true,
      rest: 0.5,
      linear: true,
      inputs: [part("block.relu", 1, 2), part("input", 0, -1)],
      others: 1.5,
      more: 4,
      outputs: [part("block.relu", 0, 1.25)],
      kernels: { units: 2, rows: 1, columns: 3, read: 0, of: 2, largest: 1, data: view(new Int8Array(6)) },
      words: "",
    },
    replacement: "zero",
    ablation: {
      ...here,
      replacement: "zero",
      classes: [1, 0],
      clean: [0.8, 0.2],
      probability: [0.4, 0.6],
      top_class_changed: true,
    },
    ablation_run: 0,
    ablation_stop: 0,
    dataset_ablation: null,
    kind: "top",
    crop: "field",
    search_request: "",
    example_request: -1,
    search: {
      number: 1,
      done: 40,
      total: 100,
      remaining: 75,
      running: true,
      skipped: [[7, "truncated"]],
      layers: ["conv"],
      error: "",
    },
    examples: {
      ...here,
      kind: "top",
      items: [item],
      quantiles: Array.from({ length: 41 }, (_, at) => at / 10),
      mean: 0.4,
      zeros: 0.5,
      active: 0.9,
      seen: 39,
    },
    recipe: "fourier",
    goal: "channel",
    count: 1,
    negative: false,
    seed: 0,
    steps: 128,
    synthesis_run: 0,
    synthesis_stop: 0,
    synthesis: null,
  } satisfies Partial<Traits>;
}

/** Two methods of the classes 1 and 0: Grad-CAM 0…1, LIME with three superpixels. */
export function attributions() {
  const map = (method: MethodName, target: number, more: Partial<AttributionPayload> = {}): AttributionPayload => ({
    planes: 1,
    colours: false,
    rows: 2,
    columns: 2,
    step: 1,
    largest: 1,
    data: view(Int8Array.of(0, 127, 64, 0)),
    contribution: true,
    method,
    target,
    score: "logit",
    layer: "",
    done: 1,
    forwards: 1,
    backwards: 1,
    zero: false,
    words: `${method} of class ${target}`,
    surrogate: null,
    ...more,
  });
  const surrogate: SurrogatePayload = {
    coefficients: [0.5, -0.3, 0.1],
    low: [0.4, -0.4, -0.1],
    high: [0.6, -0.2, 0.3],
    r2: 0.8,
    samples: 60,
  };
  const curve = {
    own: [0.8, 0.1, 0],
    low: [0.8, 0.4, 0],
    high: [0.8, 0.6, 0],
    edges: [0.8, 0.5, 0],
    area: 0.25,
    chance: 0.4,
    edges_area: 0.45,
  };
  const evidence: EvidencePayload = {
    findings: [
      ["randomisation", "bad", "It hardly changes: <b>edges</b>, not reasons."],
      ["faithfulness", "good", "The score follows it."],
    ],
    curves: { shares: [0, 0.5, 1], block: 1, steps: 2, orders: 5, deletion: curve, insertion: curve },
    weights: {
      layers: ["head", "conv"],
      cascading: [
        [0.9, 0.8, 0.7],
        [0.1, 0.2, null],
      ],
      independent: [[0.9, 0.8, 0.7]],
    },
    skipped: { seeds: 2000 },
    failed: {},
  };
  const known = (name: MethodName, title: string, passes: number) => ({ name, title, passes, gradient: true });
  return {
    methods: ["grad_cam", "lime"],
    method: "grad_cam",
    row: 0,
    rows: [
      { image: "a.png", target: 1, label: "<b>dog</b>", probability: 0.8, logit: 2 },
      { image: "a.png", target: 0, label: "cat", probability: 0.2, logit: 1 },
    ],
    other_targets: [0],
    known_methods: [known("grad_cam", "Grad-CAM", 3), known("lime", "LIME", 1000), known("rise", "RISE", 1000)],
    signs: "own",
    maps_scale: "each",
    opacity: 0.7,
    samples: 1000,
    segments: 50,
    segmentation: "slic",
    width: 0.25,
    seed: 0,
    cam_layer: "",
    cam_layers: ["conv"],
    superpixels: { rows: 2, columns: 2, count: 3, data: view(Uint16Array.of(0, 0, 1, 2)), words: "" },
    switched_off: [],
    switched_scores: null,
    check_request: null,
    progress: null,
    stopped: false,
    agreement: {
      0: {
        methods: ["grad_cam", "lime"],
        values: [
          [1, 0.4],
          [0.4, 1],
        ],
      },
      1: { methods: ["grad_cam"], values: [] },
    },
    map_grad_cam: {
      0: map("grad_cam", 1),
      1: map("grad_cam", 0, { zero: true, data: view(new Int8Array(4)), largest: 0 }),
    },
    map_lime: { 0: map("lime", 1, { surrogate }), 1: { error: "<i>no</i> superpixels" } },
    map_rise: {},
    evidence_grad_cam: { 0: evidence },
    evidence_lime: {},
    evidence_rise: {},
  } satisfies Partial<Traits>;
}

export function state() {
  return {
    ...card(),
    target: 1,
    layer: "conv",
    unit: 0,
    position: null,
    grid: null,
    scale: "layer",
    limits: null,
    labels: ["cat", "<b>dog</b>"],
    shown_labels: {},
    photo: {
      kind: "image",
      data: view(new Uint8Array(8)),
      width: 8,
      height: 8,
      name: "a.png",
      path: "photos/a.png",
      shown_as: "the model's input",
      notes: [],
    },
    scores: { classes: [1, 0], probability: [0.8, 0.2], logit: [2, 1] },
    meaning: {
      task: "multiclass",
      averaged: false,
      tasks: ["multiclass", "multilabel", "regression"],
      logits: true,
      noun: "probability",
      unit: "",
      words: "multiclass: the softmax of the model's scores",
      why: "several scores, with no softmax or sigmoid after them",
    },
    read_as: null,
    stale: false,
    refresh: 0,
    fills: ["grey", "mean", "blur"],
    fill_color: "#808080",
    hide: [],
    busy: "",
    error: null,
    note: "",
    cancel: 0,
    resume: 0,
    color_tables: { sequential: table(), diverging: table(), diverging_dark: table() },
    tree: [
      { name: "conv", label: "Conv2d", kind: "convolution", module: "conv", shape: [1, 2, 2, 2] },
      { name: "block.relu", label: "ReLU", kind: "activation", module: "block.relu", shape: [1, 2, 2, 2] },
      { name: "spare", not_run: true },
    ],
    mosaic: mosaic(),
    unit_map: {
      layer: "conv",
      unit: 0,
      rows: 2,
      columns: 2,
      step: 1,
      data: view(Float32Array.of(0, 1, 2, 3)),
      class_name: "",
    },
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
    occlusion_map: occlusionMap(),
    shape: "rectangle",
    mask: null,
    masked: null,
    size_curve: null,
    upload: null,
  } satisfies Partial<Traits>;
}

/** The second side of a comparison, and the differences. */
export function compared() {
  const one = state();
  return {
    second_photo: { ...one.photo, name: "b.png", path: "photos/b.png" },
    second_scores: { classes: [1, 0], probability: [0.3, 0.7], logit: [-1, 1] },
    second_meaning: one.meaning,
    second_mosaic: mosaic(),
    second_unit_map: one.unit_map,
    second_occlusion_map: occlusionMap(),
    second_occluded: null,
    second_fill_color: one.fill_color,
    second_size_curve: null,
    difference_mosaic: mosaic(),
    difference_unit_map: one.unit_map,
    difference_occlusion_map: occlusionMap(),
    difference_order: view(Int32Array.of(1, 0)),
    difference_problem: "",
    compared_steps: [1, 10, 100],
    first_step: 1,
    second_step: 100,
    sort_by_difference: true,
    of_models: false,
    pinned: false,
  } satisfies Partial<Traits>;
}

export interface LiveModel extends Model {
  values: Partial<Traits>;
  saved: number;
  sent: unknown[];
  send(content: unknown): void;
  fire(event: string, content?: unknown): void;
  /** How many callbacks are registered. */
  listening(): number;
}

/** A widget's model as in a notebook: it holds values and calls back when they change. */
export function liveModel(values: Partial<Traits> = state()): LiveModel {
  const listeners = new Map<string, Set<(content?: unknown) => void>>();
  const all: Record<string, unknown> = values;
  const model: LiveModel = {
    values,
    saved: 0,
    sent: [],
    send: (content) => void model.sent.push(content),
    get: (name) => all[name],
    set(name, value) {
      all[name] = value;
      model.fire(`change:${name}`);
    },
    save_changes() {
      model.saved += 1;
    },
    on(event, react) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event)!.add(react);
    },
    off: (event, react) => void listeners.get(event)?.delete(react),
    fire(event, content) {
      for (const react of [...(listeners.get(event) ?? [])]) react(content);
    },
    listening: () => [...listeners.values()].reduce((sum, reactions) => sum + reactions.size, 0),
  };
  return model;
}
