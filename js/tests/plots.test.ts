// Charts with axes, heights and contour lines, and the views of the landscape, of similarity and of theories.

import { beforeEach, describe, expect, it } from "vitest";
import { axisOf, roundTicks, shareOf } from "../src/draw/axes.ts";
import { contour, heightsOf, lossAt } from "../src/model/landscape.ts";
import { nearestPlace, textOf, valuesOf } from "../src/model/theory.ts";
import type { Traits } from "../src/model/traits.ts";
import landscape from "../src/views/landscape/index.ts";
import similarity from "../src/views/similarity/index.ts";
import theory from "../src/views/theory/index.ts";
import { liveModel, state } from "./model.ts";
import { alike, landscaped, theorised } from "./plots.ts";

const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

describe("axes", () => {
  it("begin at 0 where the values are near it, and have room elsewhere", () => {
    expect(axisOf([1, 10, null], false).low).toBe(0);
    expect(axisOf([9, 10], false).low).toBeCloseTo(8.96);
    expect(axisOf([], false)).toEqual({ low: 0, high: 1, log: false });
    expect(axisOf([5, 5], false)).toMatchObject({ low: 2.3, high: 7.7 });
    const log = axisOf([0, 1, 100], true);
    expect(log.low).toBeLessThan(1);
    expect(shareOf(10, log)).toBeCloseTo(0.5);
  });
  it("have round numbers", () => {
    expect(roundTicks({ low: 0, high: 10, log: false })).toEqual([0, 2, 4, 6, 8, 10]);
    expect(roundTicks({ low: -0.3, high: 0.21, log: false }).map((tick) => +tick.toFixed(3))).toEqual([-0.2, 0, 0.2]);
    expect(roundTicks({ low: 0.5, high: 2000, log: true })).toEqual([1, 10, 100, 1000]);
    expect(roundTicks({ low: 1, high: 6, log: true }).map((tick) => Math.round(tick))).toEqual([1, 2, 3, 5]);
    expect(roundTicks({ low: 4.1, high: 4.4, log: true })).toEqual([4.1, 4.4]);
  });
});

describe("heights", () => {
  it("are logarithmic where the loss reaches far, and take what is missing from the nearest point", () => {
    const heights = heightsOf(landscaped().landscape)!;
    expect(heights.log).toBe(true);
    expect(heights.values[4]).toBe(0);
    expect(heights.values[0]).toBeCloseTo(1);
    expect(heights.values[7]).toBe(heights.values[4]);
    expect(lossAt(heights, heights.values[1])).toBeCloseTo(2);
    expect(heightsOf({ ...landscaped().landscape, values: Array(9).fill(null) })).toBeNull();
  });
  it("have contour lines at their height", () => {
    // A slope to the right: the line of height 0.25 is upright, a quarter of the way.
    const slope = { columns: 3, rows: 3, values: Float64Array.of(0, 0.5, 1, 0, 0.5, 1, 0, 0.5, 1) };
    const lines = contour({ ...slope, least: 0, most: 1, log: false }, 0.25);
    expect(lines).toHaveLength(2);
    for (const [x1, , x2] of lines) expect([x1, x2]).toEqual([0.5, 0.5]);
    // A saddle: two lines that do not cross.
    const saddle = { columns: 2, rows: 2, values: Float64Array.of(1, 0, 0, 1) };
    expect(contour({ ...saddle, least: 0, most: 1, log: false }, 0.6)).toHaveLength(2);
  });
});

describe("settings", () => {
  const { settings } = theorised().experiment;
  it("are written as in Python: those that are not usual, in their order", () => {
    expect(textOf(settings, { kind: "relu", scale: 2 })).toBe('{"scale":2,"kind":"relu"}');
    expect(textOf(settings, { kind: "tanh", scale: 1 })).toBe("");
    expect(valuesOf(settings, '{"kind":"relu"}')).toEqual({ scale: 1, kind: "relu" });
    expect(nearestPlace([1, 2, 4], 3.5)).toBe(2);
  });
});

let el: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});
const pane = (name: string) => el.querySelector<HTMLElement>(`[data-pane="${name}"]`)!;
const shown = async (view: typeof theory, traits: Partial<Traits>) => {
  const model = liveModel({ ...state(), ...traits });
  view.render({ model, el });
  await settled();
  return model;
};

describe("the view of theories", () => {
  it("shows what came out, and runs other settings", async () => {
    const model = await shown(theory, theorised());
    expect(pane("theory").textContent).toContain("The score follows it.");
    expect(pane("plots").querySelectorAll("canvas")).toHaveLength(2);
    const slider = pane("theory").querySelector("input")!;
    expect(slider.getAttribute("aria-valuetext")).toBe("2");
    slider.value = "2";
    slider.dispatchEvent(new Event("input"));
    expect(model.get("theory_settings")).toBe('{"scale":4}');
    const [which, kind] = pane("theory").querySelectorAll("select");
    kind.value = "relu";
    kind.dispatchEvent(new Event("change"));
    expect(model.get("theory_settings")).toBe('{"scale":4,"kind":"relu"}');
    which.value = "double descent";
    which.dispatchEvent(new Event("change"));
    expect([model.get("theory"), model.get("theory_settings")]).toEqual(["double descent", ""]);
  });
  it("offers on a saved page only what the page has", async () => {
    const model = liveModel({ ...state(), ...theorised() });
    model.choices = () => ["edge of chaos|", 'edge of chaos|{"scale":2}'];
    model.answers = () => [];
    theory.render({ model, el });
    await settled();
    const slider = pane("theory").querySelector("input")!;
    expect(slider.max).toBe("1");
    const [which, kind] = pane("theory").querySelectorAll("select");
    expect(kind.disabled).toBe(true);
    expect([...which.options].map((option) => option.disabled)).toEqual([false, true]);
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    expect(model.get("theory_settings")).toBe("");
  });
});

describe("the view of the landscape", () => {
  it("shows a plane with its path, and a curve along one direction", async () => {
    const model = await shown(landscape, landscaped());
    expect(pane("surface").hidden).toBe(false);
    expect(pane("contour").textContent).toContain("→ conv, ↑ relu");
    expect(pane("curvature").textContent).toContain("−1 (not settled yet)");
    expect(pane("between").textContent).toContain("The score follows it.");
    const [directions, span] = pane("contour").querySelectorAll("select");
    expect(span.disabled).toBe(true);
    directions.value = "one";
    directions.dispatchEvent(new Event("change"));
    expect(model.get("directions")).toBe("one");
    model.set("landscape", { ...landscaped().landscape, y: [0], values: [1, 2, 50], names: ["conv"], path: [] });
    model.fire("change:landscape");
    await settled();
    expect(pane("surface").hidden).toBe(true);
    expect(pane("contour").textContent).toContain("the model");
  });
  it("turns the surface with the arrow keys", async () => {
    await shown(landscape, landscaped());
    const canvas = pane("surface").querySelector("canvas")!;
    const picture = () => String(canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height).data);
    const before = picture();
    expect(new Set(before.split(",")).size).toBeGreaterThan(9);
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
    expect(picture() === before).toBe(false);
  });
  it("without another model has nothing between", async () => {
    await shown(landscape, { ...landscaped(), between: null });
    expect(pane("between").hidden).toBe(true);
  });
});

describe("the view of similarity", () => {
  it("reads pairs, and compares the units of a layer that is in both", async () => {
    const model = await shown(similarity, alike());
    const canvas = pane("matrix").querySelector("canvas")!;
    expect(canvas.getAttribute("aria-label")).toContain("conv and conv: 1.00; shuffled 0.10, at most 0.20");
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    expect(canvas.getAttribute("aria-label")).toContain("conv and relu: 0.50");
    expect(model.get("changed_layer")).toBe("relu");
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
    expect(model.get("changed_layer")).toBe("conv");
    expect(pane("units").textContent).toContain("2 of 4 units of relu; 1 is constant in one of the models");
  });
});
