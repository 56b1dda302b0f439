// The views of weights: what is drawn, what is chosen, what is said.

import { beforeEach, describe, expect, it } from "vitest";
import { bankOf, placesOf } from "../src/model/bank.ts";
import { Context } from "../src/model/context.ts";
import type { Traits } from "../src/model/traits.ts";
import filters from "../src/views/filters/index.ts";
import replacements from "../src/views/replacements/index.ts";
import weights from "../src/views/weights/index.ts";
import { liveModel, state } from "./model.ts";
import { row, weighed } from "./weights.ts";

const made = (more: Partial<Traits> = {}) => liveModel({ ...state(), ...weighed(), grid: null, ...more });
const settled = () => new Promise((done) => setTimeout(done, 5));
let el: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});

const paneOf = (name: string) => el.querySelector<HTMLElement>(`[data-pane=${name}]`)!;
const pixel = (canvas: HTMLCanvasElement, x: number, y: number) => [
  ...canvas.getContext("2d")!.getImageData(x, y, 1, 1).data,
];

describe("the filters", () => {
  it("orders them by norm, orientation, frequency and similarity; what has no number comes last", () => {
    const context = new Context(made(), el);
    const bank = bankOf(context)!;
    expect([...placesOf(bank, "index")]).toEqual([0, 1]);
    expect([...placesOf(bank, "norm")]).toEqual([1, 0]);
    expect([...placesOf(bank, "orientation")]).toEqual([1, 0]);
    expect([...placesOf(bank, "frequency")]).toEqual([0, 1]);
    expect([...placesOf(bank, "similarity")]).toEqual([1, 0]);
    bank.angle![1] = Number.NaN;
    expect([...placesOf(bank, "orientation")]).toEqual([0, 1]);
    expect([...placesOf({ ...bank, angle: null }, "orientation")]).toEqual([0, 1]);
  });

  it("chooses a filter with the keys, in the order that is shown", async () => {
    const model = made({ filter_order: "norm" });
    filters.render({ model, el });
    const canvas = paneOf("bank").querySelector("canvas")!;
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    expect(model.values.filter).toBe(0);
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
    expect(model.values.filter).toBe(1);
  });

  it("chooses a weight with its first filter, and marks what is not there yet", async () => {
    const model = made();
    filters.render({ model, el });
    const select = paneOf("bank").querySelector("select")!;
    expect(select.options[1].disabled).toBe(true); // it cannot be analysed
    select.options[1].disabled = false;
    select.value = "head";
    select.dispatchEvent(new Event("change"));
    expect([model.values.weight, model.values.filter]).toEqual(["head", 0]);
    await settled();
    expect(paneOf("bank").querySelector("canvas")!.classList).toContain("nn-stale");
    expect(paneOf("gratings").querySelector("canvas")!.classList).toContain("nn-stale");
  });

  it("says why a weight has no picture", async () => {
    filters.render({ model: made({ bank: null, detail: null, bank_problem: "NaN in <b>it</b>" }), el });
    await settled();
    expect(paneOf("bank").textContent).toContain("NaN in <b>it</b>");
    expect(paneOf("bank").querySelector("b")).toBeNull();
  });

  it("shows the fit's R² beside that of noise, and leads to similar filters", async () => {
    const model = made();
    filters.render({ model, el });
    await settled();
    const filter = paneOf("filter");
    expect(filter.textContent).toContain("0.90 (noise 0.14, at most 0.21)");
    filter.querySelector<HTMLButtonElement>(".nn-link")!.click();
    expect(model.values.filter).toBe(0);
  });

  it("hides what a weight does not have", async () => {
    const detail = { ...weighed().detail, kernels: null, power: null, gabor: null } as Traits["detail"];
    filters.render({ model: made({ detail, heads: null, linked: false }), el });
    await settled();
    for (const name of ["kernels", "spectrum", "heads", "unit"]) expect(paneOf(name).hidden, name).toBe(true);
  });

  it("draws the gratings with directions across and frequencies upwards; unknown ones stay empty", async () => {
    filters.render({ model: made(), el });
    await settled();
    const canvas = paneOf("gratings").querySelector("canvas")!;
    const [width, height] = [canvas.width, canvas.height];
    const [lowLeft, lowRight] = [pixel(canvas, 2, height - 2), pixel(canvas, width - 2, height - 2)];
    const [highLeft, highRight] = [pixel(canvas, 2, 2), pixel(canvas, width - 2, 2)];
    expect(highLeft).not.toEqual(lowLeft); // 4 and 1
    expect(lowRight).not.toEqual(lowLeft); // 2 and 1
    expect(highRight[3]).toBe(0); // not shown yet
    expect(paneOf("gratings").textContent).toContain("best 4 at 0°, 0.4 / px; grey 0.5; selectivity 0.70");
  });

  it("draws the waves of a signal, which have no other direction, from low to high frequencies", async () => {
    const model = made();
    const values = new DataView(Float32Array.of(1, 4).buffer);
    model.set("tuning", { ...model.values.tuning, orientations: [0], values });
    filters.render({ model, el });
    await settled();
    const canvas = paneOf("gratings").querySelector("canvas")!;
    expect(canvas.width).toBe(2 * canvas.height);
    expect(pixel(canvas, 2, 2)).not.toEqual(pixel(canvas, canvas.width - 2, 2));
    expect(paneOf("gratings").textContent).toContain("best 4 at 0.4 / sample; without a wave 0.5");
    expect(paneOf("gratings").textContent).not.toContain("°");
  });

  it("keeps a saved page to the filters that it has", async () => {
    const model = made();
    model.choices = (name) => (name === "weight|filter" ? ["conv|1"] : name === "weight" ? ["conv"] : []);
    model.answers = () => [];
    filters.render({ model, el });
    paneOf("bank")
      .querySelector("canvas")!
      .dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    expect(model.values.filter).toBe(1);
    expect(paneOf("bank").querySelectorAll("select")[0].options[1].disabled).toBe(true);
  });
});

describe("the table of weights", () => {
  it("has a row for each layer, with its problem where it cannot be analysed", async () => {
    const model = made();
    weights.render({ model, el });
    await settled();
    const rows = [...paneOf("table").querySelectorAll("tbody tr")];
    expect(rows).toHaveLength(3);
    expect(rows[1].textContent).toContain("truncated");
    expect(rows[0].querySelectorAll("canvas")).toHaveLength(4);
    expect(rows[0].querySelector(".nn-differs")!.textContent).toContain("4.8");
    expect(rows[0].textContent).toContain("bad fit"); // D is larger than chance allows
    (rows[2] as HTMLElement).click();
    expect([model.values.weight, model.values.filter]).toEqual(["block", 0]);
  });

  it("orders the rows by a number, and as they were again", async () => {
    const numbers = { kurtosis: { ...row("x").numbers.kurtosis, value: 9 } };
    const model = made({ weight_rows: [row("conv"), row("block", { numbers })] });
    weights.render({ model, el });
    await settled();
    const names = () => [...paneOf("table").querySelectorAll("tbody th")].map((cell) => cell.textContent);
    const head = () => paneOf("table").querySelector<HTMLButtonElement>("thead button")!;
    expect(names()).toEqual(["conv", "block"]);
    head().click();
    await settled();
    expect(names()).toEqual(["block", "conv"]);
    head().click();
    await settled();
    expect(names()).toEqual(["conv", "block"]);
  });

  it("keeps the focus while the rows fill", async () => {
    const model = made();
    weights.render({ model, el });
    await settled();
    for (const key of ["block", "by kurtosis"]) {
      paneOf("table").querySelector<HTMLElement>(`[data-key="${key}"]`)!.focus();
      model.set("weight_rows", [...model.values.weight_rows!]);
      await settled();
      expect((document.activeElement as HTMLElement).dataset.key).toBe(key);
    }
  });

  it("shows the findings of the chosen layer, follows the keys, stops and compares with others", async () => {
    const model = made();
    weights.render({ model, el });
    await settled();
    expect(paneOf("findings").querySelectorAll("li")).toHaveLength(1);
    const region = paneOf("table").querySelector<HTMLElement>("[role=region]")!;
    region.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
    expect(model.values.weight).toBe("head");
    const against = paneOf("table").querySelector("select")!;
    against.value = "spare";
    against.dispatchEvent(new Event("change"));
    expect(model.values.against).toBe("spare");
    const stop = [...paneOf("table").querySelectorAll("button")].find(
      (button) => button.getAttribute("aria-label") === "stop",
    )!;
    const before = model.values.cancel ?? 0;
    stop.click();
    expect(model.values.cancel).toBe(before + 1);
  });
});

describe("the replacements", () => {
  it("marks the smallest one that is good enough, in the chart and in the table", async () => {
    const model = made();
    replacements.render({ model, el });
    await settled();
    expect(paneOf("chart").textContent).toContain(
      "smallest of those tried that is good enough: low-rank 4, 60 % of the FLOPs; loss 1.0 % (−0.5 … 3.0)",
    );
    const line = paneOf("chart").querySelector<HTMLElement>(".nn-count")!;
    expect([line.textContent, line.title]).toEqual(["2 of 3 replacements · 1 could not be read", "7: truncated"]);
    expect(paneOf("results").querySelector(".nn-chosen")!.textContent).toContain("low-rank 4");
    const loss = paneOf("results").querySelector("input")!;
    loss.value = "5";
    loss.dispatchEvent(new Event("change"));
    expect(model.values.loss).toBeCloseTo(0.05);
  });

  it("says where nothing is simpler and good enough", async () => {
    const sweep = { ...weighed().sweep, smallest: null };
    replacements.render({ model: made({ sweep }), el });
    await settled();
    expect(paneOf("chart").textContent).toContain("no replacement that was tried is simpler and good enough");
  });
});
