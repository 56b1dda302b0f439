import { describe, expect, it } from "vitest";
import { borders, limitsFor, reachOf, shownValues } from "../src/draw/attribution_map.ts";
import { codeColors, colorOf, decode, limitsOf, packedHex, packTable } from "../src/draw/colors.ts";
import { OcclusionMap } from "../src/draw/occlusion_map.ts";
import { coloured, flat, limitsIn, smoothed } from "../src/draw/signed.ts";
import { gridFrom, hit, layout, order } from "../src/draw/tiles.ts";
import type { AttributionPayload } from "../src/model/traits.ts";
import { percent, shape, share, short, signed } from "../src/ui/format.ts";
import { buildTree, parents, visible } from "../src/views/activations/tree.ts";
import { attributions, occlusionMap, state } from "./model.ts";

describe("numbers in words", () => {
  it.each([
    [0, "0"],
    [4.1234, "4.12"],
    [-0.5, "−0.5"],
    [123456, "1.2e+5"],
    [0.00012, "1.2e−4"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "−∞"],
    [-0.00071, "−7.1e−4"],
    [7.1e-4, "7.1e−4"],
  ])("short %d", (value, words) => expect(short(value)).toBe(words));
  it("probabilities, changes, shares", () => {
    expect([share(0.814), share(1), share(0)]).toEqual([".81", "1.00", ".00"]);
    expect([signed(-0.47), signed(0.05), signed(0.0001)]).toEqual(["−.47", "+.05", "±0"]);
    expect([percent(0.62), percent(0.001), percent(0), percent(1)]).toEqual(["62 %", "0.1 %", "0 %", "100 %"]);
  });
  it.each([
    [[1, 96, 112, 112], "96×112²"],
    [[1, 3, 4, 5], "3×4×5"],
    [[1, 1000], "1000"],
    [[1, 50, 768], "50×768"],
    [[], "1"],
  ])("shape %j", (sizes, words) => expect(shape(sizes)).toBe(words));
});

describe("colours", () => {
  const table = packTable(Uint8Array.from({ length: 768 }, (_, at) => Math.floor(at / 3)));
  it("limits are around zero where something is negative, from zero where nothing is", () => {
    expect(limitsOf(-2, 5)).toEqual([-5, 5]);
    expect(limitsOf(0, 5)).toEqual([0, 5]);
    expect(limitsOf(1, 3)).toEqual([0, 3]);
    expect(limitsOf(0, 0)).toEqual([0, 1]);
  });
  it("ends and middle", () => {
    expect([-1, 0, 1, 9].map((value) => colorOf(value, [-1, 1], table) & 255)).toEqual([0, 128, 255, 255]);
  });
  it("a code and its value have one colour", () => {
    const colors = codeColors(-3, 5, [-5, 5], table);
    for (const code of [0, 100, 252]) expect(colors[code]).toBe(colorOf(decode(code, -3, 5), [-5, 5], table));
    expect(decode(253, 0, 1)).toBeNaN();
    expect([decode(254, 0, 1), decode(255, 0, 1)]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
    expect(new Set([colors[253], colors[254], colors[255]]).size).toBe(3);
  });
});

describe("mosaic", () => {
  it.each([
    [240, 28, 28, 500],
    [1280, 7, 7, 500],
    [3, 224, 224, 300],
    [1000, 1, 1, 420],
    [16, 1, 40, 420],
  ])("%d tiles of %d × %d fit", (count, across, down, width) => {
    const grid = layout(count, across, down, width, 300);
    expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count);
    expect(grid.columns * (grid.width + grid.gap)).toBeLessThanOrEqual(width + 0.01);
    expect(grid.rows * (grid.height + grid.gap)).toBeLessThanOrEqual(302);
    const ratio = Math.min(24, Math.max(1 / 24, across / down));
    expect(grid.width / grid.height).toBeCloseTo(ratio);
  });
  it("what lies under the middle of a tile's pixel is that pixel", () => {
    const grid = layout(10, 4, 4, 200, 100);
    for (const [index, row, column] of [
      [0, 0, 0],
      [7, 3, 1],
      [9, 2, 3],
    ]) {
      const x = (index % grid.columns) * (grid.width + grid.gap) + ((column + 0.5) / 4) * grid.width;
      const y = Math.floor(index / grid.columns) * (grid.height + grid.gap) + ((row + 0.5) / 4) * grid.height;
      expect(hit(grid, 10, x, y, 4, 4)).toEqual({ index, row, column });
    }
    expect(hit(grid, 10, 1e4, 1, 4, 4)).toBeNull();
    expect(hit(grid, 10, -1, 1, 4, 4)).toBeNull();
  });
  it("sorts with the largest first and keeps the order of equals", () => {
    const keys = {
      mean: Float32Array.of(1, 3, 1),
      maximum: Float32Array.of(5, 0, 9),
      zeros: Float32Array.of(0, 0, 1),
    };
    expect([...order("index", 3, keys)]).toEqual([0, 1, 2]);
    expect([...order("mean", 3, keys)]).toEqual([1, 0, 2]);
    expect([...order("maximum", 3, keys)]).toEqual([2, 0, 1]);
    expect([...order("zeros", 3, keys)]).toEqual([2, 0, 1]);
  });
});

describe("tree", () => {
  const root = buildTree(state().tree);
  it("folds by module and keeps what never ran apart", () => {
    expect(visible(root, new Set(), "").map((row) => row.title)).toEqual(["conv", "block", "never ran"]);
    expect(visible(root, new Set(["block"]), "").map((row) => row.title)).toEqual([
      "conv",
      "block",
      "relu",
      "never ran",
    ]);
  });
  it("filters by all words, over name, label, kind and shape", () => {
    const names = (words: string) => visible(root, new Set(), words).map((row) => row.entry?.name);
    expect(names("relu")).toEqual(["block.relu"]);
    expect(names("2×2² CONV")).toEqual(["conv"]);
    expect(names("nothing")).toEqual([]);
  });
  it("knows the folders above a name", () => expect(parents("a.b.c")).toEqual(["a", "a.b"]));
});

it("packs a colour of the style sheet", () => {
  expect(packedHex("#c2410c", 102)).toBe(0x660c41c2);
});

describe("occlusion map", () => {
  const map = new OcclusionMap(occlusionMap());
  it("reads scores and changes by target", () => {
    expect(map.at(0, 1, 0, "probability")).toBeCloseTo(0.1);
    expect([...map.change(1, "logit")].slice(0, 3)).toEqual([-1, 1, 0]);
    expect(map.at(1, 1, 1, "probability")).toBeNaN();
    expect(map.has(7)).toBe(false);
  });
  it("finds computed positions only", () => {
    expect(map.nearest(7, 7)).not.toEqual({ row: 1, column: 1 });
    expect(map.nearest(1, 7)).toEqual({ row: 0, column: 1 });
    expect(map.find(4, 0)).toEqual({ row: 1, column: 0 });
    expect(map.find(4, 4)).toBeNull();
    expect(map.find(3, 0)).toBeNull();
  });
  it("averages over the windows that cover a pixel", () => {
    const pixels = map.perPixel(1, "probability");
    expect(pixels[0]).toBeCloseTo(-0.3);
    expect(pixels[7]).toBeCloseTo(0.1);
    expect(pixels[63]).toBeNaN();
    const overlapping = new OcclusionMap({ ...occlusionMap(), lefts: [0, 2] });
    expect(overlapping.perPixel(1, "probability")[3]).toBeCloseTo((-0.3 + 0.1) / 2);
  });
});

describe("a grid of tokens, as typed", () => {
  it.each([
    ["14 × 14", [14, 14]],
    ["7x28", [7, 28]],
    [" 2 , 3 ", [2, 3]],
    ["Strip", "strip"],
    ["", null],
  ])("%s", (text, grid) => expect(gridFrom(text as string, 197)).toEqual(grid));
  it.each(["15 × 14", "14", "0 × 3", "a × b", "-2 × 3"])("refuses %s", (text) =>
    expect(gridFrom(text, 197)).toBeUndefined(),
  );
});

describe("strips", () => {
  it("are drawn high enough to be seen", () => {
    for (const count of [2, 40, 384]) {
      const grid = layout(count, 197, 1, 480, 300);
      expect(grid.height).toBeGreaterThan(2);
      expect(grid.columns * (grid.width + grid.gap)).toBeLessThanOrEqual(481);
      expect(grid.rows * (grid.height + grid.gap)).toBeLessThanOrEqual(301);
    }
  });
});

describe("signed pixels", () => {
  const signed = (planes: number, data: number[], colours = true) => ({
    planes,
    rows: 1,
    columns: data.length / planes,
    colours,
    largest: 2,
    data: Int8Array.from(data),
  });

  it("sum and norm over the channels", () => {
    const two = signed(3, [127, 0, -127, 0, 127, 0]);
    expect([...flat(two, "signed")].map((value) => Math.round(value * 100) / 100)).toEqual([2, 0]);
    expect(flat(two, "norm")[0]).toBeCloseTo(Math.sqrt(12), 4);
    const made = signed(2, [-127, 127], false); // planes of a sum and a norm
    expect(flat(made, "signed")[0]).toBeCloseTo(-2, 4);
    expect(flat(made, "norm")[0]).toBeCloseTo(2, 4);
  });

  it("colours stand around mid-grey", () => {
    const [grey, most] = coloured(signed(1, [0, 127]), 0);
    expect(grey & 255).toBe(128);
    expect(most & 255).toBe(255);
  });

  it("a Gaussian keeps the sum inside and even fields even", () => {
    const values = new Float32Array(81).fill(3);
    for (const value of smoothed(values, 9, 9, 1)) expect(value).toBeCloseTo(3, 4);
    values.fill(0)[40] = 1;
    const out = smoothed(values, 9, 9, 1);
    expect(out.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 2);
    expect(out[40]).toBeGreaterThan(out[41]);
  });

  it("limits are around zero where there are signs", () => {
    expect(limitsIn(Float32Array.of(-3, 1), true)).toEqual([-3, 3]);
    expect(limitsIn(Float32Array.of(0, 0), false)).toEqual([0, 1]);
  });
});

describe("attribution maps", () => {
  const map = (data: Int8Array, more: Partial<AttributionPayload> = {}): AttributionPayload => ({
    ...attributions().map_grad_cam[0],
    planes: 1,
    rows: 1,
    columns: data.length,
    largest: 127,
    data: new DataView(data.buffer as ArrayBuffer),
    contribution: true,
    ...more,
  });

  it("shows contributions with their signs, gradients by their magnitude, or what is chosen", () => {
    const signs = map(Int8Array.of(-3, 5));
    expect([...shownValues(signs, "own")]).toEqual([-3, 5]);
    expect([...shownValues(signs, "magnitude")]).toEqual([3, 5]);
    const gradient = map(Int8Array.of(-3, 5, 7, 9), { planes: 2, columns: 2, contribution: false });
    expect([...shownValues(gradient, "own")]).toEqual([7, 9]);
    expect([...shownValues(gradient, "signed")]).toEqual([-3, 5]);
  });

  it("ends the colours before far outliers, and counts these", () => {
    const even = Float32Array.from({ length: 1000 }, (_, at) => at / 1000);
    expect(reachOf(even)).toEqual({ reach: Math.fround(0.999), clipped: 0 });
    even[3] = 50;
    even[4] = -80;
    const { reach, clipped } = reachOf(even);
    expect(reach).toBeLessThan(1);
    expect(clipped).toBeGreaterThanOrEqual(2);
    expect(reachOf(new Float32Array(4))).toEqual({ reach: 0, clipped: 0 });
  });

  it("takes limits around zero where something is negative", () => {
    expect(limitsFor([Float32Array.of(0, 1)], 1)).toEqual([0, 1]);
    expect(limitsFor([Float32Array.of(0, 1), Float32Array.of(-0.1)], 2)).toEqual([-2, 2]);
    expect(limitsFor([new Float32Array(3)], 0)).toEqual([0, 1]);
  });

  it("finds the borders between superpixels", () => {
    expect([...borders(Uint16Array.of(0, 0, 1, 0, 0, 1), 2, 3)]).toEqual([0, 1, 0, 0, 1, 0]);
  });
});
