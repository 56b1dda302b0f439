// The views of functions: what is drawn, what is chosen, what is said.

import { beforeEach, describe, expect, it } from "vitest";
import { expression } from "../src/draw/mathml.ts";
import { definitionsOf, erf, evaluate, isPiecewiseLinear, rounding, roundingError } from "../src/model/formula.ts";
import { planeOf, samplesOf } from "../src/model/regions.ts";
import type { Traits } from "../src/model/traits.ts";
import exponents from "../src/views/exponents/index.ts";
import formula from "../src/views/formula/index.ts";
import localMap from "../src/views/local_map/index.ts";
import regions from "../src/views/regions/index.ts";
import sensitivity from "../src/views/sensitivity/index.ts";
import { chaotic, linear, local, plane, samples, sensitive, smooth, written } from "./functions.ts";
import { liveModel, state } from "./model.ts";
import { read } from "./text.ts";

const made = (more: Partial<Traits> = {}) => liveModel({ ...state(), ...plane(), ...more } as Partial<Traits>);
const settled = () => new Promise((done) => setTimeout(done, 5));
let el: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});

const paneOf = (name: string) => el.querySelector<HTMLElement>(`[data-pane=${name}]`)!;

describe("linear pieces", () => {
  it("finds the piece of a point, and what the network gives there", () => {
    const decoded = planeOf(plane().regions)!;
    expect([decoded.at([-0.3, 0]), decoded.at([0.3, 0.9]), decoded.at([3, 0])]).toEqual([0, 1, -1]);
    expect(decoded.outputs(0, [-0.25, 0.7])).toEqual([0.25, 0.5]);
    expect([decoded.best(1, [0.2, 0]), decoded.best(1, [0.9, 0])]).toEqual([1, 0]);
    expect(decoded.slope(0)).toBeCloseTo(1);
    expect(decoded.edges(0)).toEqual([-1, 0, -1, -1]);
  });

  it("cuts a piece where the class changes", () => {
    const parts = planeOf(plane().regions)!.parts(1);
    expect(parts.map((part) => part.class)).toEqual([0, 1]);
    const width = ({ corners }: { corners: [number, number][] }) =>
      Math.max(...corners.map(([u]) => u)) - Math.min(...corners.map(([u]) => u));
    expect(parts.map(width)).toEqual([0.5, 0.5]);
    expect(parts[0].changes.filter(Boolean)).toHaveLength(1);
  });

  it("reads a single output as class 1 where it is positive", () => {
    const given = plane().regions;
    const single = planeOf({
      ...given,
      outputs: 1,
      weights: new DataView(Float32Array.of(1, 0, 1, 0).buffer),
      bias: new DataView(Float32Array.of(0, 0).buffer),
    })!;
    expect([single.best(0, [-0.5, 0]), single.best(1, [0.5, 0])]).toEqual([0, 1]);
    expect(single.slope(1)).toBeCloseTo(1);
  });

  it("finds the cell of a grid of points", () => {
    const grid = samplesOf(samples())!;
    expect([grid.at([0.5, 0.5]), grid.at([1.5, 0.5]), grid.at([0.5, 1.5]), grid.at([3, 0])]).toEqual([0, 1, 2, -1]);
  });

  it("says what holds at the chosen point", async () => {
    regions.render({ model: made(), el });
    await settled();
    expect(paneOf("plane").querySelector("h2")!.textContent).toBe("2 linear pieces");
    expect(paneOf("here").textContent).toContain("piece 2; <i>cat</i>");
    const rows = [...paneOf("here").querySelectorAll("tr")].map((row) => row.textContent);
    expect(rows[0]).toContain("1 x₁ + 0 x₂ + 0= 0.8");
    expect(rows[1]).toContain("= 0.5");
  });

  it("says the class alone where the pieces were not found", async () => {
    const model = made({ regions: null, plane_samples: samples(), here: [1.5, 0.5], plane_note: "too many" });
    regions.render({ model, el });
    await settled();
    expect(paneOf("here").textContent).toContain("<b>dog</b>, ahead by 2");
    expect(paneOf("plane").querySelector("h2")!.textContent).toBe("classes in a plane");
    expect(paneOf("plane").textContent).toContain("too many");
  });

  it("moves and enlarges with the keys, and comes back", async () => {
    const model = made();
    regions.render({ model, el });
    await settled();
    const canvas = paneOf("plane").querySelector("canvas")!;
    const press = (key: string) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    press("+");
    expect(model.values.box).toEqual([
      [-0.5, 0.5],
      [-0.5, 0.5],
    ]);
    press("ArrowRight");
    expect((model.values.box as number[][])[0][0]).toBeCloseTo(-0.3);
    paneOf("plane").querySelector<HTMLButtonElement>("button[aria-label='the part shown at first']")!.click();
    expect(model.values.box).toEqual([
      [-1, 1],
      [-1, 1],
    ]);
  });

  it("asks for training, and shows how far it came", async () => {
    const model = made();
    regions.render({ model, el });
    await settled();
    expect(paneOf("training").textContent).toContain("20 steps; accuracy 90 %");
    expect(paneOf("training").textContent).toContain("loss: 0.7 → 0.1");
    paneOf("training").querySelector<HTMLButtonElement>("button[aria-label='train']")!.click();
    expect(model.values.train).toBe(true);
    paneOf("training").querySelector<HTMLButtonElement>("button[aria-label='draw the weights anew']")!.click();
    expect(model.values.restart).toBe(1);
  });
});

describe("a formula", () => {
  const at = (payload: ReturnType<typeof linear>, ...x: number[]) =>
    evaluate(payload, definitionsOf(payload), x).get("y")!;

  it("is computed with its slopes", () => {
    const y = at(linear(), 0.5, 1);
    expect(y.value).toBeCloseTo(1 - 3 * 1.7345, 12);
    expect([...y.slopes]).toEqual([-6, 1.5]);
    expect([...at(linear(), -5, 0).slopes].map(Math.abs)).toEqual([0, 0]);
  });

  it("knows the slope of every function", () => {
    const [below, here, above] = [0.4 - 1e-6, 0.4, 0.4 + 1e-6].map((x) => at(smooth(), x));
    expect(here.slopes[0]).toBeCloseTo((above.value - below.value) / 2e-6, 5);
  });

  it("has the error function of the tables", () => {
    // Abramowitz & Stegun, table 7.1.
    for (const [
      x,
      y,
    ] of [[0.5, 0.5204998778], [1, 0.8427007929], [2, 0.995322265], [2.6, 0.999763966], [-3, -0.9999779095]]) // biome-ignore format: a line
      expect(erf(x)).toBeCloseTo(y, 9);
  });

  it("tells linear pieces from smooth functions", () => {
    expect([isPiecewiseLinear(linear()), isPiecewiseLinear(smooth())]).toEqual([true, false]);
  });

  it("is rounded, and says what that costs", () => {
    const [first] = rounding(linear())(2);
    expect(first.tree.parts![1].parts![2].value).toBe(1.2);
    const error = roundingError(linear(), 2);
    expect(error).toBeGreaterThan(0.01);
    expect(error).toBeLessThanOrEqual(3 * 0.0345 + 1e-9);
    expect(roundingError(linear(), 17)).toBe(0);
  });

  it("is written as people write it", () => {
    const text = (payload: ReturnType<typeof linear>) =>
      definitionsOf(payload).map(({ tree }) => expression(tree, String).textContent);
    expect(text(linear())).toEqual(["max(0,2x1−0.5x2+1.2345)", "−3h1,1+1"]);
    const [sum] = definitionsOf(smooth()).map(({ tree }) => expression(tree, String));
    expect(sum.querySelector("mfrac")!.textContent).toBe("11+e−x1");
    expect(sum.querySelector("msqrt")!.textContent).toBe("x1");
    expect(sum.textContent).toContain("ln(x1)");
  });

  it("shows its values at the inputs, and greys those that are 0", async () => {
    const model = liveModel({ ...state(), ...written() } as Partial<Traits>);
    formula.render({ model, el });
    await settled();
    const values = () => [...el.querySelectorAll(".nn-value")].map((one) => one.textContent);
    expect(values()).toEqual(["= 1.73", "= −4.2"]);
    expect(paneOf("inputs").textContent).toContain("exactly");
    const slider = paneOf("inputs").querySelector("input")!;
    slider.value = "-2";
    slider.dispatchEvent(new Event("input"));
    await settled();
    expect(model.values.inputs_at).toEqual([-2, 1]);
    expect(values()).toEqual(["= 0", "= 1"]);
    expect(el.querySelectorAll(".nn-definition.nn-off")).toHaveLength(1);
  });

  it("folds its layers, and shows the outputs whole", async () => {
    const model = liveModel({ ...state(), ...written() } as Partial<Traits>);
    formula.render({ model, el });
    await settled();
    expect(paneOf("formula").querySelectorAll("details")).toHaveLength(2);
    const select = paneOf("formula").querySelector("select")!;
    select.value = "whole";
    select.dispatchEvent(new Event("change"));
    await settled();
    expect(paneOf("formula").querySelectorAll("details")).toHaveLength(0);
    expect(paneOf("formula").querySelector(".nn-expression")!.textContent).toBe("y=−3max(0,x1)");
  });

  it("gives the code in three languages", async () => {
    formula.render({ model: liveModel({ ...state(), ...written() } as Partial<Traits>), el });
    await settled();
    const field = paneOf("formula_code").querySelector("textarea")!;
    expect(field.value).toBe("head");
    const select = paneOf("formula_code").querySelector("select")!;
    select.value = "latex";
    select.dispatchEvent(new Event("change"));
    expect(field.value).toBe("conv");
  });
});

describe("the linear function at an image", () => {
  const shown = (more: Partial<Traits> = {}) => liveModel({ ...state(), ...local(), ...more } as Partial<Traits>);

  it("says what it is of, and what its parts add up to", async () => {
    localMap.render({ model: shown(), el });
    await settled();
    expect(paneOf("weights_image").querySelector("h2")!.textContent).toBe("weights of <b>dog</b> against <i>cat</i>");
    expect(paneOf("weights_image").textContent).toContain("weights · input 2 + bias 1 = 3");
    expect(paneOf("weights_image").textContent).toContain("exact");
  });

  it("says that it is of first order, and why", async () => {
    const payload = { ...local().local_map, exact: false, why: "gelu", against: null };
    localMap.render({ model: shown({ local_map: payload, reach: { ...local().reach, rows: [], examined: 0 } }), el });
    await settled();
    expect(paneOf("weights_image").textContent).toContain("gelu is not piecewise linear");
    expect(paneOf("reach").querySelector("table")!.hidden).toBe(true);
  });

  it("lists the borders, and says how certain the nearest is", async () => {
    localMap.render({ model: shown(), el });
    await settled();
    const rows = [...paneOf("reach").querySelectorAll("tbody tr")].map((row) => row.textContent);
    expect(rows).toEqual(["truncated0.0010.05relu", "truncatednonenone"]);
    expect(paneOf("reach").textContent).toContain("no other is nearer");
  });

  it("waits for what is computed in the background", async () => {
    localMap.render({ model: shown({ reach: null, line: null }), el });
    await settled();
    expect(paneOf("reach").querySelector<HTMLElement>(".nn-empty")!.hidden).toBe(false);
    expect(paneOf("line").querySelector<HTMLElement>(".nn-empty")!.hidden).toBe(false);
  });

  it("reads the class along the line, and moves there", async () => {
    const model = shown({ along: 0.1 });
    localMap.render({ model, el });
    await settled();
    const line = paneOf("line").querySelector("canvas[role=slider]")!;
    expect(line.getAttribute("aria-valuetext")).toBe("10 %: <b>dog</b> 2");
    line.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
    await settled();
    expect(model.values.along).toBe(1);
    expect(line.getAttribute("aria-valuetext")).toBe("100 %: <i>cat</i> 2");
  });
});

describe("sensitivity", () => {
  const shown = (more: Partial<Traits> = {}) =>
    liveModel({ ...state(), ...local(), ...sensitive(), ...more } as Partial<Traits>);

  it("names the curves, and lists what was measured", async () => {
    sensitivity.render({ model: shown(), el });
    await settled();
    const names = [...paneOf("growth").querySelectorAll(".nn-keys > span")].map((one) => one.textContent);
    expect(names).toEqual([
      "random directions",
      "the gradient",
      "stretched most",
      "at initialisation, random",
      "scaled weights, random",
    ]);
    expect(paneOf("growth").querySelector("li")!.textContent).toBe("all that was found");
  });

  it("writes a collapsed direction as minus infinity", async () => {
    sensitivity.render({ model: shown(), el });
    await settled();
    const cells = [...paneOf("stretch").querySelectorAll("tbody td")].map((one) => one.textContent);
    expect(cells).toEqual(["0.5", "−∞", "−0.25", "−0.5"]);
  });

  it("scales the weights on a logarithmic slider, and rests at 1", async () => {
    const model = shown();
    sensitivity.render({ model, el });
    await settled();
    const slider = paneOf("growth").querySelector("input")!;
    const set = (value: string) => {
      slider.value = value;
      slider.dispatchEvent(new Event("input"));
    };
    set("0.301");
    expect(model.values.weight_scale).toBe(2);
    set("0.01");
    expect(model.values.weight_scale).toBe(1);
  });

  it("says which class becomes which, and how far it is", async () => {
    sensitivity.render({ model: shown(), el });
    await settled();
    expect(paneOf("adversarial").textContent).toContain("<b>dog</b> becomes <i>cat</i>");
    const rows = [...paneOf("border").querySelectorAll("tbody tr")].map((row) => row.textContent);
    expect(rows).toEqual(["truncated2.24 %43", "truncatednone"]);
  });

  it("says where other predictions fail, and asks for them where there are none", async () => {
    sensitivity.render({ model: shown(), el });
    await settled();
    const lines = [...paneOf("surrogates").querySelectorAll("li")].map((one) => one.textContent);
    expect(lines[0]).toBe("linear: R² falls below 0.9 at a radius of 25 % of the input's length");
    expect(lines[1]).toBe("a tree of depth 4: R² stays above 0.9");
    el.replaceChildren();
    const model = shown({ surrogates: null });
    sensitivity.render({ model, el });
    await settled();
    paneOf("surrogates").querySelector<HTMLButtonElement>("button[aria-label='fit simple models']")!.click();
    expect(model.values.fit).toBe(1);
  });
});

describe("the exponents of a recurrent layer", () => {
  it("says what they mean, reads what is typed, and takes another layer", async () => {
    const model = liveModel({ ...state(), ...read(), ...chaotic() } as Partial<Traits>);
    exponents.render({ model, el });
    await settled();
    expect(paneOf("exponents").textContent).toContain("all that was found");
    expect(paneOf("exponents").textContent).toContain("1.5");
    expect(paneOf("text").textContent).toContain("mean over 90 tokens");
    const field = paneOf("text").querySelector("textarea")!;
    expect(field.value).toBe("a(b");
    field.value = "abc";
    field.dispatchEvent(new Event("input"));
    await new Promise((done) => setTimeout(done, 450));
    expect(model.values.typed).toEqual({ text: "abc" });
    const select = paneOf("exponents").querySelector("select")!;
    select.value = "head";
    select.dispatchEvent(new Event("change"));
    expect(model.values.recurrent_layer).toBe("head");
  });
});
