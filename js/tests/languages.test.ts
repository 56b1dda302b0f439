// Every text that a user sees comes from a catalogue. Here the catalogue puts what it says in ⟦brackets⟧: a word outside
// of them is either data or was left out.

import { beforeEach, describe, expect, it } from "vitest";
import po from "../../nnlens/locale/de/LC_MESSAGES/browser.po?raw";
import { Context } from "../src/model/context.ts";
import { Scene } from "../src/model/scene.ts";
import type { Traits } from "../src/model/traits.ts";
import { useTexts } from "../src/ui/text.ts";
import activations from "../src/views/activations/index.ts";
import attention from "../src/views/attention/index.ts";
import attribution from "../src/views/attribution/index.ts";
import cells from "../src/views/cells/index.ts";
import compare from "../src/views/compare/index.ts";
import examples from "../src/views/examples/index.ts";
import explorer from "../src/views/explorer/index.ts";
import exponents from "../src/views/exponents/index.ts";
import filters from "../src/views/filters/index.ts";
import formula from "../src/views/formula/index.ts";
import landscape from "../src/views/landscape/index.ts";
import localMap from "../src/views/local_map/index.ts";
import logitLens from "../src/views/logit_lens/index.ts";
import occlusion from "../src/views/occlusion/index.ts";
import regions from "../src/views/regions/index.ts";
import replacements from "../src/views/replacements/index.ts";
import sensitivity from "../src/views/sensitivity/index.ts";
import similarity from "../src/views/similarity/index.ts";
import theory from "../src/views/theory/index.ts";
import training from "../src/views/training/index.ts";
import unit from "../src/views/unit/index.ts";
import weights from "../src/views/weights/index.ts";
import { chaotic, local, plane, sensitive, written } from "./functions.ts";
import { attributions, compared, liveModel, mosaic, occlusionMap, state } from "./model.ts";
import { alike, landscaped, theorised } from "./plots.ts";
import { read } from "./text.ts";
import { watched } from "./training.ts";
import { weighed } from "./weights.ts";

/** Words of the test's model, and of Python: labels, names, what was computed. Longer ones first. */
const DATA = [
  "several scores, with no softmax or sigmoid after them",
  "It hardly changes: <b>edges</b>, not reasons.",
  "multiclass: the softmax of the model's scores",
  "lens.examples(dataset, layers=[…])",
  "low-rank 4",
  "prune 50 %",
  "A finding.",
  "regression: the output itself",
  "<i>no</i> superpixels",
  "gradient of conv · 0",
  "the model's input",
  "The score follows it.",
  "no gradient",
  "one map per channel",
  "grad_cam of class",
  "lime of class",
  "all that was found",
  "Python",
  "LaTeX",
  "max",
  "a token grid",
  "reading the image",
  "the output itself",
  "felzenszwalb",
  "quickshift",
  "block.relu",
  "KernelSHAP",
  "truncated",
  "<i>cat</i>",
  "<b>dog</b>",
  "Grad-CAM",
  "fourier",
  "Conv2d",
  "a.png",
  "b.png",
  "block",
  "spare",
  "years",
  "ReLU",
  "relu",
  "conv",
  "head",
  "LIME",
  "RISE",
  "slic",
  "cat",
];

type Form = string | string[];

/** The texts of the German catalogue: of each its English words, one or two forms, and its translation. */
function catalogue(): { id: string[]; translation: string[] }[] {
  const entries = po.split("\n\n").map((entry) => {
    const found: Record<string, string[]> = { msgid: [], msgstr: [] };
    for (const [, name, lines] of entry.matchAll(/^(msgid|msgstr)(?:_plural|\[\d\])? ((?:".*"\n?)+)/gm))
      found[name].push([...lines.matchAll(/^"(.*)"$/gm)].map(([, text]) => JSON.parse(`"${text}"`)).join(""));
    return { id: found.msgid, translation: found.msgstr };
  });
  return entries.filter(({ id }) => id[0]);
}

/** As a view gets it: a text, or one for each form of the plural. */
function sent(text: (entry: { id: string[]; translation: string[] }) => string[]): Record<string, Form> {
  return Object.fromEntries(
    catalogue().map((entry) => [entry.id[0], entry.id.length > 1 ? text(entry) : text(entry)[0]] as const),
  );
}

// What is put in stands outside: it must come from the catalogue too, or be data.
const bracketed = sent(({ id }) => id.map((text) => `⟦${text.replace(/\{\w+\}/g, "⟧$&⟦")}⟧`));
const german = sent(({ translation }) => translation);

let el: HTMLElement;
let drawn: string[];

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
  drawn = [];
});

const ownContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement) {
  const pen = ownContext.call(this, "2d") as CanvasRenderingContext2D;
  const fillText = pen.fillText.bind(pen);
  pen.fillText = (text, ...place) => {
    drawn.push(text);
    fillText(text, ...place);
  };
  return pen;
} as unknown as typeof ownContext;

/** All words that can be seen or heard in an element. */
function words(root: Element): string[] {
  const all = [...root.querySelectorAll("*")];
  const names = ["aria-label", "aria-valuetext", "title", "placeholder"];
  const attributes = all.flatMap((one) => names.map((name) => one.getAttribute(name) ?? ""));
  const texts = all.flatMap((one) => [...one.childNodes].map((node) => (node.nodeType === 3 ? node.textContent! : "")));
  const messages = all.map((one) =>
    one instanceof HTMLInputElement && one.validity.customError ? one.validationMessage : "",
  );
  return [...texts, ...attributes, ...messages, ...drawn].filter(Boolean);
}

/** Those of them that are neither of the catalogue nor data. */
function left(root: Element): string[] {
  return words(root).filter((text) => {
    let rest = text.replace(/⟦[^⟦⟧]*⟧/g, " ");
    for (const known of DATA) rest = rest.replaceAll(known, " ");
    return /\p{L}{3,}/u.test(rest);
  });
}

const settled = () => new Promise((done) => setTimeout(done, 5));
const base = (): Partial<Traits> => ({
  ...state(),
  ...attributions(),
  ...compared(),
  ...weighed(),
  grid: null,
  language: "de",
});
const bytes = (numbers: ArrayLike<number> & ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);

const frame = (negative: boolean) => ({
  pictures: [new DataView(new ArrayBuffer(8))],
  values: [1.5],
  peaks: [5],
  objective: "conv · 0",
  negative,
  recipe: "fourier" as const,
  seed: 0,
  step: 4,
  steps: 128,
});
const surrounded = { position: [0, 0] as [number, number], size: 4, fill: "grey", shape: "rectangle" as const };
const hidden = { classes: [1, 0], probability: [0.3, 0.7], logit: [0, 1], top: 0, top_probability: 0.7 };

/** What a view may hold, one after the other. */
const SITUATIONS: Record<string, Partial<Traits>> = {
  "as it opens": {},
  "busy, with something hidden and a curve": {
    busy: "reading the image",
    stale: true,
    occluder: [0, 0],
    occluded: { ...surrounded, ...hidden, ms: 12 },
    size_curve: {
      ...surrounded,
      sizes: [2, 4],
      classes: [1],
      probability: [[0.9, 0.5]],
      logit: [[2, 1]],
      top: [1, 1],
      top_probability: [0.9, 0.5],
    },
    progress: { what: "LIME", row: 0, done: 250, total: 1000, remaining: 12 },
    switched_off: [1],
    origin: { layer: "block.relu", unit: 1 },
    synthesis: { layer: "conv", unit: 0, goal: "channel", target: 1, running: true, frame: frame(false) },
    examples: { layer: "conv", unit: 0, searched: "block.relu" },
    definition: "pixel",
    hide: ["number"],
  },
  "painted over, a logit, other scales, reduced": {
    mask: bytes(Uint8Array.of(192, 0, 0, 0, 0, 0, 0, 0)),
    masked: { ...hidden, top: 5, fill: "grey", mark: [2, 1] },
    labels: ["cat", "<b>dog</b>"],
    score: "logit",
    scale: "unit",
    shape: "circle",
    mosaic: { ...mosaic(), step: 2, not_finite: 3, tokens: 5, grid: [2, 2], layout: "a token grid" },
    unit_map: { ...state().unit_map, step: 2, class_name: "cat" },
    occlusion_map: { ...occlusionMap(), done: 4, floor_logit: [9, 9] },
    stopped: true,
    superpixels: null,
    search: null,
    synthesis: { layer: "conv", unit: 0, goal: "class", target: 1, running: false, frame: frame(true) },
    ablation: { ...state().ablation, top_class_changed: false, probability: [0.8, 0.2] },
    dataset_ablation: {
      layer: "conv",
      unit: 0,
      replacement: "zero",
      done: 9,
      total: 9,
      seen: 9,
      top_class_changes: 1,
      classes: [[1, -0.1]],
      running: false,
      error: "",
    },
    back_projection: { ...state().back_projection, colours: false, planes: 2, step: 2, largest: 0, at: null },
    back_projection_display: "signed",
    connections: { ...state().connections, linear: false, position: [0, 0], more: 0, outputs: [] },
  },
  "a quantity, nothing computed yet": {
    meaning: {
      ...state().meaning,
      task: "regression",
      noun: "value",
      unit: "years",
      words: "regression: the output itself",
    },
    occlusion_map: null,
    synthesis: null,
    evidence_grad_cam: {},
    map_grad_cam: {},
    occluder: null,
    sort: "zeros",
    crop: "deconvnet",
    bank: null,
    bank_problem: "truncated",
    detail: null,
    expanded: null,
    tuning: null,
    heads: null,
    sweep: { ...weighed().sweep, smallest: null, running: false },
    weights_progress: { done: 3, total: 18, running: false },
    unit: 1,
    rows: attributions().rows.slice(0, 1),
  },
};

const VIEWS = {
  explorer,
  activations,
  occlusion,
  unit,
  examples,
  attribution,
  compare,
  filters,
  weights,
  replacements,
  cells,
  attention,
  logit_lens: logitLens,
  regions,
  formula,
  local_map: localMap,
  sensitivity,
  exponents,
  training,
  landscape,
  similarity,
  theory,
};

/** Views that are given a text. */
const READING = new Set(["cells", "attention", "logit_lens", "exponents"]);

/** Views of training and of what it has made. */
const LEARNING: Record<string, () => Partial<Traits>> = {
  training: watched,
  landscape: landscaped,
  similarity: alike,
  theory: theorised,
};

/** Views of the network as a function. */
const FUNCTIONS = new Set(["regions", "formula", "local_map", "sensitivity"]);

describe.each(Object.entries(VIEWS))("%s", (name, view) => {
  const own = () => ({
    ...base(),
    ...(READING.has(name)
      ? { ...read(), ...chaotic() }
      : FUNCTIONS.has(name)
        ? { ...plane(), ...written(), ...local(), ...sensitive() }
        : name in LEARNING
          ? LEARNING[name]()
          : {}),
  });
  it.each(Object.entries(SITUATIONS))("%s: says nothing that is not in the catalogue", async (_, more) => {
    const model = liveModel({ ...own(), ...more, texts: bracketed });
    view.render({ model, el });
    await settled();
    expect(left(el)).toEqual([]);
    expect(words(el).join()).toContain("⟦");
  });

  it("nor where it is used", async () => {
    const model = liveModel({ ...own(), texts: bracketed });
    view.render({ model, el });
    for (const canvas of el.querySelectorAll("canvas")) {
      canvas.getBoundingClientRect = () => ({ left: 0, top: 0, width: 80, height: 80 }) as DOMRect;
      canvas.dispatchEvent(new MouseEvent("pointermove", { clientX: 20, clientY: 20 }));
    }
    for (const field of el.querySelectorAll<HTMLInputElement>("input[type=search], input[list], input[type=text]")) {
      field.value = "?";
      field.dispatchEvent(new Event(field.closest("[data-pane=layers]") ? "input" : "change"));
    }
    await settled();
    expect(left(el)).toEqual([]);
    for (const button of el.querySelectorAll("button")) button.click();
    await settled();
    expect(left(el)).toEqual([]);
    model.fire("comm:close");
    expect(left(el)).toEqual([]);
  });

  it.each([[[]], [["conv"]]])("nor on a saved page with the answers %j", async (held: string[]) => {
    const model = liveModel({ ...own(), texts: bracketed });
    model.choices = () => held;
    model.answers = () => [];
    view.render({ model, el });
    await settled();
    expect(left(el)).toEqual([]);
    for (const trait of ["back_projection", "connections", "ablation", "examples"]) model.set(trait, null);
    model.set("unit", 1);
    await settled();
    expect(left(el)).toEqual([]);
  });

  it("fills every place in the German texts", async () => {
    view.render({ model: liveModel({ ...own(), texts: german }), el });
    await settled();
    expect(words(el).filter((text) => /[{}]/.test(text))).toEqual([]);
  });
});

it("the German texts have the places of the English ones", () => {
  const places = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort();
  for (const { id, translation } of catalogue()) {
    expect(translation, id[0]).toHaveLength(id.length);
    for (const [at, text] of translation.entries()) expect(places(text), text).toEqual(places(id[at]));
  }
});

it("finds a word that is not in the catalogue", () => {
  el.innerHTML = '<p title="⟦a text⟧ and">⟦in⟧ cat</p>';
  expect(left(el)).toEqual(["⟦a text⟧ and"]);
});

it("brings the texts of the unit card into another view", () => {
  useTexts("en", {}); // the card's module has texts of its own
  const context = new Context(liveModel({ ...base(), texts: german }), el);
  el.append(...unit.renderCard(context, new Scene(context)));
  expect(el.querySelector("[data-pane=synthesis] h2")!.textContent).toBe("Synthese");
});

it("builds a view anew when its texts come in another language", async () => {
  const model = liveModel({ ...base(), language: "", texts: {} });
  explorer.render({ model, el });
  expect(el.querySelector("[data-pane=bars] h2")!.textContent).toBe("classes");
  model.set("language", "de");
  model.set("texts", german);
  await settled();
  expect([...el.querySelectorAll("[data-pane=bars] h2")].map((title) => title.textContent)).toEqual(["Klassen"]);
});
