// The traits of the views of text, small: the text "a(b" of three characters, two cells, two heads.

import type { Traits } from "../src/model/traits.ts";

const view = (numbers: ArrayLike<number> & ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);
const floats = (...values: number[]) => view(Float32Array.from(values));
const whole = (...values: number[]) => view(Int32Array.from(values));

export function textPayload(text = "a(b", marks: Record<string, string> = {}): Traits["text"] {
  const places = Array.from({ length: text.length }, (_, at) => at);
  return {
    text,
    tokens: text.length,
    starts: whole(...places),
    ends: whole(...places.map((at) => at + 1)),
    unknown: whole(),
    names: marks,
    notes: [],
  };
}

export function cellsPayload(layer = "conv"): Traits["cells"] {
  return {
    layer,
    label: "Conv2d",
    kind: "gate",
    cells: 2,
    tokens: 3,
    step: 1,
    columns: 3,
    low: floats(-1, 0),
    high: floats(1, 2),
    data: view(Uint8Array.of(0, 126, 252, 0, 252, 0)),
  };
}

export function read(): Partial<Traits> {
  return {
    text: textPayload(),
    typed: null,
    show_predictions: true,
    predictions: {
      words: ["a", "b"],
      index: whole(0, 1, 1, 0, 0, 1),
      k: 2,
      probability: floats(0.5, 0.25, 0.75, 0.25, 1, 0),
      own: floats(0.5, 0.25, Number.NaN),
      next: true,
      about: "A finding.",
    },
    predictions_problem: "",
    cells: cellsPayload(),
    trace: { layer: "conv", unit: 0, data: floats(-1, 0, 1), words: "A finding." },
    gates: [{ name: "forget", layer: "conv", closed: floats(0.25, 0), open: floats(0.5, 1) }],
    cell_order: "index",
    wanted: "inside quotes",
    marked: [],
    everywhere: true,
    properties: ["inside quotes", "indentation"],
    found: {
      wanted: "inside quotes",
      measure: "AUC",
      rows: [
        { layer: "conv", unit: 1, chosen: 0.9, held_out: 0.8, sign: -1, beats_chance: true },
        { layer: "conv", unit: 0, chosen: 0.6, held_out: 0.5, sign: 1, beats_chance: false },
      ],
      chance: 0.6,
      done: 1,
      words: "A finding.",
      problem: "",
    },
    contexts: {
      layer: "conv",
      unit: 0,
      rows: [
        {
          group: "top",
          text: "cat",
          starts: whole(0, 1, 2),
          ends: whole(1, 2, 3),
          data: floats(0, 1, 2),
          value: 2,
          place: 3,
        },
      ],
      done: 0.5,
      words: "A finding.",
      problem: "",
      count: 2,
      exact: true,
      windows: 4,
    },
    threshold: 0.5,
    has_corpus: true,
    hold_at: 1,
    held_cell: {
      layer: "conv",
      unit: 0,
      value: 1,
      words: "A finding.",
      clean: 1,
      loss: 1.5,
      changed: 0.25,
      bits: 0.1,
      samples: [{ held: true, text: "cat" }],
      done: 1,
      problem: "",
    },
    write: 0,
    attention_layers: [
      { layer: "conv", module: "block", heads: 2, queries: 3, keys: 3, cross: false },
      { layer: "block.relu", module: "block", heads: 2, queries: 3, keys: 3, cross: true },
    ],
    attention_layer: "conv",
    head: 0,
    combine: "head",
    direction: "reads",
    token: null,
    attention: attentionPayload(),
    rollout: null,
    induction: { values: { conv: [0.5, 0.1] }, even: 0.2 },
    effects: {
      layer: "conv",
      removal: "zero",
      values: [0.1, null],
      clean: 1.5,
      words: "A finding.",
      done: 0.5,
      problem: "",
    },
    removal: "zero",
    logit_lens: {
      layers: ["block", "block.relu"],
      head: ["conv"],
      positions: 3,
      k: 1,
      words: ["a", "b"],
      top: whole(0, 1, 0, 1, 1, 0),
      probability: floats(0.1, 0.2, 0.3, 0.9, 0.8, 0.7),
      rank: whole(3, 2, 1, 1, 1, 1),
      bits: floats(4, 3, 2, 0, 0, 0),
      m: 1,
      followed: whole(1, 1, 0),
      followed_rank: whole(3, 2, 1, 1, 1, 1),
      agreement: [0.3, 1],
      chance: [0.3, 0.3],
      about: ["A finding.", "A finding."],
      error: 0,
    },
    color_by: "probability",
  };
}

/** Head 0 reads the first token, head 1 each token itself. */
export function attentionPayload(): Traits["attention"] {
  const root = (weight: number) => Math.round(255 * Math.sqrt(weight));
  return {
    layer: "conv",
    module: "block",
    heads: 2,
    queries: 3,
    keys: 3,
    cross: false,
    causal: true,
    k: 3,
    index: null,
    data: view(Uint8Array.from([1, 0, 0, 0.75, 0.25, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1].map(root))),
    patterns: [{ name: "previous token", values: [0.5, 0], even: 0.4 }],
    entropy: [0.3, 0],
    query_names: null,
    key_names: null,
    grid: null,
    extra: 0,
  };
}
