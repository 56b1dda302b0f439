// The views of functions: what is drawn, what is chosen, what is said.

import { beforeEach, describe, expect, it } from "vitest";
import { planeOf, samplesOf } from "../src/model/regions.ts";
import type { Traits } from "../src/model/traits.ts";
import regions from "../src/views/regions/index.ts";
import { plane, samples } from "./functions.ts";
import { liveModel, state } from "./model.ts";

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
