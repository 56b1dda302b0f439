// What the views draw, on real pixels.

import { beforeEach, expect, it } from "vitest";
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
  near(pixel(".nn-mosaic", 0.2, 0.1), entry(0), 8); // the second tile stands below the first
  near(pixel(".nn-mosaic", 0.7, 0.35), entry(255), 8);
  const canvas = el.querySelector<HTMLCanvasElement>(".nn-mosaic")!;
  const side = canvas.width;
  const pen = canvas.getContext("2d")!;
  const dead = pen.getImageData(4, side + 4, side - 12, side - 12).data;
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
  const high = () => pixel(".nn-mosaic", 0.7, 0.35);
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
