// What the views draw, on real pixels.

import { beforeEach, expect, it, vi } from "vitest";
import type { Traits } from "../src/model/traits.ts";
import activations from "../src/views/activations/index.ts";
import attribution from "../src/views/attribution/index.ts";
import occlusion from "../src/views/occlusion/index.ts";
import unit from "../src/views/unit/index.ts";
import { attributions, liveModel, mosaic, occlusionMap, state } from "./model.ts";

type Color = [number, number, number];

let el: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});

const settled = () => new Promise((done) => setTimeout(done, 5));

async function shown(view: typeof activations, values: Partial<Traits> = {}) {
  const model = liveModel({ ...state(), ...attributions(), grid: null, ...values });
  view.render({ model, el });
  await settled();
  return model;
}

/** The colour of a canvas at shares of its width and height. */
function pixel(selector: string, x: number, y: number): number[] {
  const canvas = el.querySelector<HTMLCanvasElement>(selector)!;
  const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)] as const;
  return [...canvas.getContext("2d")!.getImageData(...at, 1, 1).data];
}

/** Entry `index` of the tables of colours of the tests, which are the numbers 0, 1, 2, … as bytes. */
const entry = (index: number): Color => [(3 * index) % 256, (3 * index + 1) % 256, (3 * index + 2) % 256];

function near(actual: number[], expected: number[], tolerance = 2) {
  for (const [channel, value] of expected.entries())
    expect(Math.abs(actual[channel] - value), `${actual} is not ${expected}`).toBeLessThanOrEqual(tolerance);
}

it("paints each value of the large unit in the colour of its table", async () => {
  await shown(unit, { position: null });
  const map = "[data-pane=unit] canvas";
  near(pixel(map, 0.25, 0.25), entry(0));
  near(pixel(map, 0.75, 0.25), entry(85));
  near(pixel(map, 0.25, 0.75), entry(170));
  near(pixel(map, 0.75, 0.75), entry(255));
});

it("paints values that are not finite in a colour of their own", async () => {
  const data = new DataView(Float32Array.of(0, Number.NaN, 2, 3).buffer);
  const unit_map = { layer: "conv", unit: 0, rows: 2, columns: 2, step: 1, data, class_name: "" };
  await shown(unit, { position: null, unit_map });
  near(pixel("[data-pane=unit] canvas", 0.75, 0.25), [214, 39, 214]);
  near(pixel("[data-pane=unit] canvas", 0.75, 0.75), entry(255));
});

it("paints one tile for each unit, and strikes a dead one through", async () => {
  await shown(activations, { unit: 1, scale: "unit" });
  near(pixel(".nn-mosaic", 0.1, 0.2), entry(0), 8); // the second tile stands beside the first
  near(pixel(".nn-mosaic", 0.35, 0.7), entry(255), 8);
  const canvas = el.querySelector<HTMLCanvasElement>(".nn-mosaic")!;
  const side = canvas.height;
  const pen = canvas.getContext("2d")!;
  const dead = pen.getImageData(side + 4, 4, side - 12, side - 12).data;
  const colors = new Set(Array.from({ length: dead.length / 4 }, (_, at) => dead.slice(4 * at, 4 * at + 3).join()));
  expect(colors.size, "a struck-out tile is not of one colour").toBeGreaterThan(1);
});

it("paints all tiles in one scale where that is chosen", async () => {
  const two = mosaic();
  const second = {
    ...two,
    high: new DataView(Float32Array.of(3, 6).buffer),
    zeros: new DataView(new Float32Array(2).buffer),
  };
  second.data = new DataView(Uint8Array.of(0, 84, 168, 252, 252, 252, 252, 252).buffer);
  const model = await shown(activations, { mosaic: second, scale: "unit", unit: 0 });
  const high = () => pixel(".nn-mosaic", 0.35, 0.7);
  near(high(), entry(255), 8);
  model.set("scale", "layer");
  await settled();
  near(high(), entry(128), 8);
});

it("paints what hiding a place costs", async () => {
  await shown(occlusion, { target: 1 });
  const map = "[data-pane=occlusion_map] canvas";
  // The changes are −0.3, +0.1, 0 and unknown; the scale is ±0.3.
  near(pixel(map, 0.25, 0.25).slice(0, 3), entry(0));
  near(pixel(map, 0.75, 0.25).slice(0, 3), entry(170));
  near(pixel(map, 0.25, 0.75).slice(0, 3), entry(128));
});

it("paints no map before the first position is known", async () => {
  const gap = new DataView(new Float32Array(8).fill(Number.NaN).buffer);
  await shown(occlusion, { target: 1, occlusion_map: { ...occlusionMap(), probability: gap, logit: gap, done: 0 } });
  expect(pixel("[data-pane=occlusion_map] canvas", 0.25, 0.25)[3]).toBe(0);
});

it("paints an attribution over the photograph, as strongly as chosen", async () => {
  const model = await shown(attribution, { opacity: 1 });
  const cell = "canvas.nn-chosen";
  const signed = pixel(cell, 0.75, 0.25);
  near(signed.slice(0, 3), entry(255), 6);
  near(pixel(cell, 0.25, 0.25), entry(0), 6);
  model.set("opacity", 0);
  await settled();
  expect(pixel(cell, 0.75, 0.25)).not.toEqual(signed);
});

it("draws the curve by size, with the present size as the large dot", async () => {
  const curve = {
    position: [2, 2] as [number, number],
    size: 4,
    fill: "grey",
    shape: "rectangle" as const,
    sizes: [2, 4, 8],
    classes: [1, 0],
    probability: [
      [0.9, 0.5, 0.1],
      [0.1, 0.5, 0.9],
    ],
    logit: [
      [2, 1, 0],
      [0, 1, 2],
    ],
    top: [1, 1, 0],
    top_probability: [0.9, 0.5, 0.9],
  };
  await shown(occlusion, { target: 1, size: 4, size_curve: curve, occluder: [2, 2] });
  const canvas = el.querySelector<HTMLCanvasElement>("[data-pane=size_curve] canvas")!;
  const { data, width, height } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  const solid = (x: number, y: number) =>
    [-2, -1, 0, 1, 2].every((i) => [-2, -1, 0, 1, 2].every((j) => data[4 * ((y + i) * width + x + j) + 3] === 255));
  const dot: number[][] = [];
  for (let y = 2; y < height - 2; y++) for (let x = 2; x < width - 2; x++) if (solid(x, y)) dot.push([x, y]);
  // Lines and small dots are thinner. Size 4 is halfway between 2 and 8, and its probability is 0.5.
  expect(dot.length).toBeGreaterThan(0);
  for (const [x, y] of dot) {
    expect(Math.abs(x / width - 0.5)).toBeLessThan(0.15);
    expect(Math.abs(y / height - 0.45)).toBeLessThan(0.15);
  }
});

it("paints a map of equal changes in one colour, without a lattice between its cells", async () => {
  const side = 6;
  const even = Float32Array.from({ length: 2 * side * side }, (_, at) => (at < side * side ? 0.5 : 0.2));
  const places = Array.from({ length: side }, (_, at) => at);
  const map = {
    ...occlusionMap(),
    size: [3, 3],
    stride: [1, 1],
    tops: places,
    lefts: places,
    probability: new DataView(even.buffer),
    logit: new DataView(even.slice().buffer),
    top: new DataView(new Int32Array(side * side).buffer),
    top_probability: new DataView(new Float32Array(side * side).buffer),
    done: side * side,
  };
  await shown(occlusion, { target: 1, size: 3, occlusion_map: map });
  const canvas = el.querySelector<HTMLCanvasElement>("[data-pane=occlusion_map] canvas")!;
  const inside = [0.25, 0.25, 0.5, 0.5].map((share) => Math.round(share * canvas.width));
  const { data } = canvas.getContext("2d")!.getImageData(...(inside as [number, number, number, number]));
  const colors = new Set(Array.from({ length: data.length / 4 }, (_, at) => data.slice(4 * at, 4 * at + 4).join()));
  expect([...colors]).toHaveLength(1);
});

interface Words {
  text: string;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The words that are written on a canvas from now on, each with its box. */
function written(canvas: HTMLCanvasElement): Words[] {
  const pen = canvas.getContext("2d")!;
  const found: Words[] = [];
  const write = pen.fillText.bind(pen);
  vi.spyOn(pen, "fillText").mockImplementation((text, x, y) => {
    const width = pen.measureText(text).width;
    const height = Number.parseFloat(pen.font);
    const left = x - { left: 0, start: 0, center: width / 2, right: width, end: width }[pen.textAlign];
    const below = { top: height, hanging: height, middle: height / 2, alphabetic: 0, ideographic: 0, bottom: 0 };
    const bottom = y + below[pen.textBaseline];
    found.push({ text, left, right: left + width, top: bottom - height, bottom });
    write(text, x, y);
  });
  return found;
}

/** No word is cut by the canvas, covered by another, or the end of a name that was cut off in front. */
function readable(words: Words[], canvas: HTMLCanvasElement) {
  const [width, height] = [canvas.width / devicePixelRatio, canvas.height / devicePixelRatio];
  expect(words.length).toBeGreaterThan(2);
  for (const [at, one] of words.entries()) {
    expect(one.text).not.toMatch(/^…/);
    const box = `"${one.text}" at ${one.left.toFixed()}…${one.right.toFixed()}, ${one.top.toFixed()}…${one.bottom.toFixed()}`;
    expect(one.left >= -1 && one.right <= width + 1 && one.top >= -2 && one.bottom <= height + 2, box).toBe(true);
    for (const other of words.slice(at + 1)) {
      const apart =
        one.right <= other.left ||
        other.right <= one.left ||
        one.bottom <= other.top + 2 ||
        other.bottom <= one.top + 2;
      expect(apart, `"${one.text}" and "${other.text}" overlap`).toBe(true);
    }
  }
}

it.each([160, 232, 400])("writes the curve's axes without overprinting (%i px)", async (room) => {
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(room);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(112);
  const sizes = [4, 8, 12, 16, 20, 28, 40, 56];
  const shares = sizes.map((size) => 1 / size);
  const curve = {
    ...{ position: [2, 2] as [number, number], size: 4, fill: "grey", shape: "rectangle" as const, sizes },
    ...{ classes: [1, 0], probability: [shares, shares], logit: [shares, shares], top: [], top_probability: [] },
  };
  const model = await shown(occlusion, { target: 1, size: 4, occluder: [2, 2] });
  const canvas = el.querySelector<HTMLCanvasElement>("[data-pane=size_curve] canvas")!;
  const words = written(canvas);
  model.set("size_curve", curve);
  await settled();
  readable(words, canvas);
  vi.restoreAllMocks();
});

it.each([200, 280, 640])("writes the axes of the evidence without overprinting (%i px)", async (room) => {
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(room);
  const model = await shown(attribution);
  const canvases = [...el.querySelectorAll<HTMLCanvasElement>(".nn-evidence-curves")].filter((one) => !one.hidden);
  expect(canvases.length).toBeGreaterThan(0);
  const words = canvases.map(written);
  const evidence = model.values.evidence_grad_cam![0];
  const layers = [
    "blocks.13._bn0",
    "blocks.9._bn2",
    "blocks.5._project_conv",
    "blocks.2._depthwise_conv",
    "_conv_stem",
  ];
  const values = layers.map(() => [0.5, 0.4, 0.3]);
  model.set("evidence_grad_cam", { 0: { ...evidence, weights: { layers, cascading: values, independent: values } } });
  await settled();
  words.forEach((found, at) => {
    readable(found, canvases[at]);
  });
  vi.restoreAllMocks();
});
