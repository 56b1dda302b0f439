// The view of a training: ranges, places on the way, what is shown at a checkpoint, and what the controls ask for.

import { beforeEach, describe, expect, it } from "vitest";
import { along, share, spanOf, stepAt } from "../src/draw/spark.ts";
import { placeOf } from "../src/model/training.ts";
import compare from "../src/views/compare/index.ts";
import training from "../src/views/training/index.ts";
import { compared, liveModel, state } from "./model.ts";
import { watched } from "./training.ts";

const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

describe("ranges", () => {
  it("are logarithmic where values reach far, and from 0 otherwise", () => {
    expect(
      spanOf([
        [1, 100],
        [null, 1000],
      ]),
    ).toEqual({ low: 1, high: 1000, log: true });
    expect(spanOf([[1, 2, null]])).toEqual({ low: 0, high: 2, log: false });
    expect(spanOf([[-1, 200]])).toEqual({ low: -1, high: 200, log: false });
    expect(spanOf([[null], []])).toEqual({ low: 0, high: 1, log: false });
    expect(spanOf([[0, 0]])).toEqual({ low: 0, high: 1, log: false });
  });
  it("place values", () => {
    expect(share(10, { low: 1, high: 100, log: true })).toBeCloseTo(0.5);
    expect(share(0, { low: 1, high: 100, log: true })).toBe(0);
    expect(share(1, { low: 0, high: 4, log: false })).toBe(0.25);
  });
  it("give early steps more room", () => {
    expect(along(1, [1, 1000])).toBe(0);
    expect(along(1000, [1, 1000])).toBe(1);
    expect(along(32, [1, 1000])).toBeGreaterThan(0.45);
    expect(along(5, [5])).toBe(0.5);
    for (const part of [0, 0.25, 0.5, 1]) expect(along(stepAt(part, [1, 9000]), [1, 9000])).toBeCloseTo(part, 1);
  });
  it("find the latest measurement before a step", () => {
    expect(placeOf([1, 10, 100], 50)).toBe(1);
    expect(placeOf([5, 10], 1)).toBe(0);
  });
});

describe("the view", () => {
  let el: HTMLElement;
  beforeEach(() => {
    document.body.replaceChildren();
    el = document.body.appendChild(document.createElement("div"));
  });
  const shown = async (more: object = {}) => {
    const model = liveModel({ ...state(), ...watched(), ...more });
    training.render({ model, el });
    await settled();
    return model;
  };
  const pane = (name: string) => el.querySelector(`[data-pane="${name}"]`)!;

  it("shows numbers at the chosen checkpoint", async () => {
    await shown();
    expect(pane("curves").textContent).toContain("1,200 steps");
    expect(pane("curves").textContent).toContain("here 2");
    expect(pane("curves").textContent).toContain("step 10");
    expect([...pane("curves").querySelectorAll(".nn-axis span")].map((tick) => tick.textContent)).toEqual([
      "1",
      "6",
      "35",
      "204",
      "1,200",
    ]);
    expect(pane("figures").querySelector("td.nn-number")!.textContent).toBe("60 %");
    expect(pane("alarms").textContent).toContain("step 10");
    expect(pane("film").textContent).toContain("unit 3 at 3 checkpoints");
  });
  it("moves to a checkpoint, and the last one follows the training", async () => {
    const model = await shown();
    const slider = pane("curves").querySelector("input")!;
    for (const [place, step] of [
      ["0", 1],
      ["2", -1],
    ] as const) {
      slider.value = place;
      slider.dispatchEvent(new Event("input"));
      expect(model.get("shown_step")).toBe(step);
    }
  });
  it("asks the loop to end, once", async () => {
    const model = await shown({ watched: { ...watched().watched, stopping: false } });
    const stop = pane("curves").querySelector<HTMLButtonElement>("button.nn-icon-button")!;
    stop.click();
    expect(model.get("stop_training")).toBe(1);
    model.set("watched", { ...watched().watched, stopping: true });
    await settled();
    expect(stop.disabled).toBe(true);
  });
  it("chooses a unit with the keys, and another figure", async () => {
    const model = await shown();
    const canvas = pane("film").querySelector("canvas")!;
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", cancelable: true }));
    expect(pane("film").textContent).toContain("unit 5 at 3 checkpoints");
    model.set("layer_figure", "saturated");
    await settled();
    expect(pane("figures").textContent).toContain("no layer has this figure");
    model.set("layer_figure", "gradient");
    await settled();
    expect(pane("figures").querySelector("th")!.textContent).toBe("conv");
  });
  it("says what to do before there is anything", async () => {
    await shown({ watched: null, film: null });
    expect(pane("curves").textContent).toContain("watch.step(loss=loss)");
    expect(pane("figures").textContent).toContain("no measurement yet");
    expect(pane("alarms").textContent).toContain("nothing so far");
  });
});

describe("two checkpoints beside each other", () => {
  it("have a slider each, and other comparisons have none", async () => {
    document.body.replaceChildren();
    const el = document.body.appendChild(document.createElement("div"));
    const model = liveModel({ ...state(), ...compared() });
    compare.render({ model, el });
    await settled();
    const pane = el.querySelector<HTMLElement>('[data-pane="checkpoints"]')!;
    const [first, second] = pane.querySelectorAll("input");
    expect([first.value, second.value]).toEqual(["0", "2"]);
    expect(pane.textContent).toContain("step 100");
    second.value = "1";
    second.dispatchEvent(new Event("change"));
    expect([model.get("first_step"), model.get("second_step")]).toEqual([1, 10]);
    model.set("compared_steps", []);
    model.fire("change:compared_steps");
    await settled();
    expect(pane.hidden).toBe(true);
  });
});
