import { beforeEach, describe, expect, it, vi } from "vitest";
import { Context } from "../src/model/context.ts";
import { Scene } from "../src/model/scene.ts";
import type { Meaning, Traits } from "../src/model/traits.ts";
import activations from "../src/views/activations/index.ts";
import attribution from "../src/views/attribution/index.ts";
import compare from "../src/views/compare/index.ts";
import examples from "../src/views/examples/index.ts";
import explorer from "../src/views/explorer/index.ts";
import filters from "../src/views/filters/index.ts";
import occlusion from "../src/views/occlusion/index.ts";
import replacements from "../src/views/replacements/index.ts";
import unit from "../src/views/unit/index.ts";
import weights from "../src/views/weights/index.ts";
import { attributions, liveModel as bare, compared, mosaic, state } from "./model.ts";
import { weighed } from "./weights.ts";

const liveModel = (values: Partial<Traits> = { ...state(), ...attributions(), ...compared(), grid: null }) =>
  bare(values);

const settled = () => new Promise((done) => setTimeout(done, 5));
let el: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});

describe.each([
  ["explorer", explorer],
  ["activations", activations],
  ["occlusion", occlusion],
  ["unit", unit],
  ["examples", examples],
  ["compare", compare],
  ["attribution", attribution],
  ["filters", filters],
  ["weights", weights],
  ["replacements", replacements],
])("%s", (name, widget) => {
  const liveModel = () => bare({ ...state(), ...attributions(), ...compared(), ...weighed(), grid: null });

  it("renders, may be shown twice, and cleans up after itself", async () => {
    const model = liveModel();
    const second = el.appendChild(document.createElement("div"));
    const stops = [widget.render({ model, el }), widget.render({ model, el: second })];
    await settled();
    expect(document.querySelectorAll(`.nn-${name}`)).toHaveLength(2);
    for (const stop of stops) stop();
    expect(document.querySelector(".nnlens")).toBeNull();
    expect(model.listening()).toBe(0);
  });

  it("gives every picture a text alternative and every control a name", () => {
    widget.render({ model: liveModel(), el });
    for (const canvas of el.querySelectorAll("canvas")) expect(canvas.getAttribute("aria-label")).toMatch(/\w+/);
    for (const control of el.querySelectorAll("input:not([hidden]), select")) {
      const named = control.getAttribute("aria-label") || control.closest("label")?.textContent;
      expect(named, control.outerHTML).toMatch(/\w+/);
    }
    for (const button of el.querySelectorAll("button")) {
      expect(button.getAttribute("aria-label") || button.textContent, button.outerHTML).toMatch(/\w|×/);
    }
  });

  it("shows an error as text, and lets it be dismissed", async () => {
    const model = liveModel();
    widget.render({ model, el });
    model.set("error", { message: "size must be <b>1…32</b>", traceback: "Traceback" });
    await settled();
    const box = el.querySelector<HTMLElement>(".nn-error")!;
    expect(box.hidden).toBe(false);
    expect(box.textContent).toContain("<b>1…32</b>");
    expect(box.querySelector("b")).toBeNull();
    box.querySelector("button")!.click();
    await settled();
    expect(box.hidden).toBe(true);
  });
});

describe("the explorer", () => {
  it("makes a clicked bar the target and shows labels as text", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const bars = el.querySelectorAll<HTMLButtonElement>(".nn-bar");
    expect([...bars].map((bar) => bar.querySelector(".nn-name")!.textContent)).toEqual(["<b>dog</b>", "cat"]);
    bars[1].click();
    expect(model.values.target).toBe(0);
    expect(model.saved).toBe(1);
  });

  it("shows the names of tokens that are marks alone in quotes", async () => {
    const model = liveModel();
    model.set("labels", [",", "·at"]);
    explorer.render({ model, el });
    const names = [...el.querySelectorAll(".nn-bar .nn-name")].map((name) => name.textContent);
    expect(names.sort()).toEqual(["“,”", "·at"].sort());
  });

  it("reads the map where the occluder stands on one of its positions, and waits for the kernel elsewhere", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const reading = el.querySelector(".nn-reading")!;
    expect(reading.textContent).toBe("<b>dog</b> .80");
    model.set("occluder", [0, 0]);
    await settled();
    expect(reading.textContent).toBe("<b>dog</b> .80 → .50");
    model.set("occluder", [1, 3]);
    await settled();
    expect(reading.textContent).toBe("<b>dog</b> .80 → …");
    expect(reading.classList.contains("nn-stale")).toBe(true);
    model.set("occluded", {
      position: [1, 3],
      size: 4,
      fill: "grey",
      shape: "rectangle",
      classes: [1, 0],
      probability: [0.3, 0.7],
      logit: [0, 1],
      top: 0,
      top_probability: 0.7,
      ms: 12,
    });
    await settled();
    expect(reading.textContent).toBe("<b>dog</b> .80 → .30");
  });

  it("marks a mosaic stale until the new layer's has come", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const canvas = el.querySelector(".nn-mosaic")!;
    model.set("layer", "block.relu");
    await settled();
    expect(canvas.classList.contains("nn-stale")).toBe(true);
    model.set("mosaic", mosaic("block.relu"));
    await settled();
    expect(canvas.classList.contains("nn-stale")).toBe(false);
    expect(el.querySelector("[data-pane=mosaic] h2")!.textContent).toBe("mosaic of block.relu · 2×2²");
  });

  it("picks layers by keyboard", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const tree = el.querySelector(".nn-tree")!;
    const press = (key: string) => tree.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    press("ArrowDown");
    press("ArrowRight");
    press("ArrowDown");
    expect(model.values.layer).toBe("block.relu");
    press("End");
    press("Enter");
    expect(tree.textContent).toContain("spare");
    const silent = [...tree.querySelectorAll<HTMLElement>(".nn-node")].find((node) =>
      node.textContent!.includes("spare"),
    )!;
    silent.click();
    expect(model.values.layer).toBe("block.relu");
  });

  it("describes a unit in words and follows the scale", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const pane = el.querySelector("[data-pane=unit]")!;
    expect(pane.textContent).toContain(
      "unit 0 of conv: strongest at row 1, column 1 (3), in the lower right; 25 % zeros",
    );
    model.set("unit", 1);
    await settled();
    expect(pane.textContent).toContain("unit 1 of conv: 0 everywhere on this image");
    model.set("scale", "locked");
    await settled();
    expect(model.values.limits).toEqual([0, 3]);
    model.set("scale", "unit");
    await settled();
    expect(model.values.limits).toBeNull();
  });

  it("takes an image that is dropped or pasted", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const root = el.querySelector(".nnlens")!;
    const file = (name: string) => new File([Uint8Array.of(1, 2, 3)], name, { type: "image/png" });
    root.dispatchEvent(Object.assign(new Event("drop"), { dataTransfer: { files: [file("dropped.png")] } }));
    await settled();
    expect(model.values.upload!.name).toBe("dropped.png");
    expect(model.values.upload!.data.byteLength).toBe(3);
    root.dispatchEvent(Object.assign(new Event("paste"), { clipboardData: { files: [file("pasted.png")] } }));
    await settled();
    expect(model.values.upload!.name).toBe("pasted.png");
  });

  it("leaves out what is hidden", () => {
    explorer.render({ model: liveModel({ ...state(), hide: ["bars", "occlusion_map", "code"] }), el });
    expect(el.querySelector("[data-pane=bars]")).toBeNull();
    expect(el.querySelector("[data-pane=occlusion_map]")).toBeNull();
    expect(el.textContent).not.toContain("copy as code");
  });

  it("leaves no row of controls behind where all of them are left out", () => {
    const hide = [
      "open",
      "webcam",
      "search",
      "meaning",
      "code",
      "paint",
      "fill",
      "score",
      "pin",
      "sort",
      "scale",
      "card",
    ];
    hide.push("size", "filter", "number", "overlay");
    explorer.render({ model: liveModel({ ...state(), hide }), el });
    for (const row of el.querySelectorAll<HTMLElement>(".nn-row:not(.nn-progress)"))
      expect(row.hidden || row.childElementCount > 0, row.outerHTML).toBe(true);
    const there = [...el.querySelectorAll<HTMLElement>("button:not([hidden]), select, input")];
    const words = there
      .filter((one) => !one.closest("[hidden]"))
      .map((one) => one.getAttribute("aria-label") ?? one.textContent);
    const fields = there.filter((one) => one.matches("input, select") && !one.closest("[hidden]"));
    expect(fields.map((one) => one.outerHTML)).toEqual([]);
    for (const gone of ["paint a mask", "open image…", "another class as the target", "unit card", "compare fills"])
      expect(words).not.toContain(gone);
  });

  it("shows quantities with their unit, and no bar longer than its track", async () => {
    const meaning: Meaning = {
      task: "regression",
      tasks: ["regression"],
      averaged: false,
      logits: false,
      noun: "value",
      unit: "years",
      words: "",
      why: "",
    };
    const scores = { classes: [1, 0], probability: [58.21, -116.42], logit: [58.21, -116.42] };
    const model = liveModel({ ...state(), meaning, scores, score: "logit" });
    explorer.render({ model, el });
    await settled();
    const bars = [...el.querySelectorAll<HTMLElement>(".nn-bar")];
    expect(bars.map((bar) => bar.querySelector(".nn-number")!.textContent)).toEqual(["58.21 years", "−116.4 years"]);
    expect(bars.map((bar) => bar.querySelector<HTMLElement>(".nn-now")!.style.width)).toEqual(["50%", "100%"]);
    expect(el.querySelector(".nn-reading")!.textContent).toContain("58.21 years");
  });

  it("asks the kernel to read the scores in another way", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const task = el.querySelector<HTMLSelectElement>("select[aria-label='what the scores mean']")!;
    expect([...task.options].map((option) => option.value)).toEqual(["multiclass", "multilabel", "regression"]);
    task.value = "multilabel";
    task.dispatchEvent(new Event("change"));
    expect(model.values.read_as).toEqual({ task: "multilabel", logits: null });
  });

  it("says that the model has changed, and asks for the view of the new one", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const box = el.querySelector<HTMLElement>(".nn-changed")!;
    expect(box.hidden).toBe(true);
    model.set("stale", true);
    await settled();
    expect(box.hidden).toBe(false);
    expect(box.textContent).toContain("The model has changed");
    box.querySelector("button")!.click();
    expect(model.values.refresh).toBe(1);
  });

  it("says that the kernel does not answer, where it has answered before", () => {
    vi.useFakeTimers();
    const model = liveModel();
    explorer.render({ model, el });
    const box = el.querySelector<HTMLElement>(".nn-changed")!;
    vi.advanceTimersByTime(60_000);
    expect(box.hidden).toBe(true);
    model.fire("msg:custom", { heard: true });
    el.querySelectorAll<HTMLButtonElement>(".nn-bar")[1].click();
    vi.advanceTimersByTime(60_000);
    expect(box.hidden).toBe(true);
    el.querySelectorAll<HTMLButtonElement>(".nn-bar")[0].click();
    expect(model.sent).toEqual([{ heard: true }, { heard: true }]);
    vi.advanceTimersByTime(60_000);
    expect(box.textContent).toContain("The kernel does not answer");
    expect(el.querySelector(".nn-status")!.textContent).toContain("no answer");
    model.fire("msg:custom", { heard: true });
    expect(box.hidden).toBe(true);
    model.fire("comm:close");
    expect(box.hidden).toBe(false);
    vi.useRealTimers();
  });

  it("says where no position changes the score, on a scale that does not make it look decisive", async () => {
    const even = new DataView(Float32Array.from([0.8, 0.8007, 0.8, 0.8, 0.2, 0.2, 0.2, 0.2]).buffer);
    const map = {
      ...state().occlusion_map,
      probability: even,
      done: 4,
      floor_probability: [0.01, 0.01],
      floor_logit: [0.02, 0.01],
    };
    explorer.render({ model: liveModel({ ...state(), occlusion_map: map }), el });
    await settled();
    expect(el.querySelector(".nn-slight")!.textContent).toBe("no position changes the probability by more than 7.0e−4");
  });

  it("puts another fill beside the one that is shown, at one click", async () => {
    const model = liveModel();
    explorer.render({ model, el });
    const button = [...el.querySelectorAll("button")].find((one) => one.textContent === "compare fills")!;
    button.click();
    await settled();
    expect(model.values.fill).toBe("mean");
    expect(el.querySelector(".nn-pinned")!.textContent).toContain("pinned: 4 px, grey");
  });

  it("writes its state as code", () => {
    const context = new Context(liveModel({ ...state(), card: false }), el);
    expect(explorer.definition.code(context, new Scene(context))).toBe(
      'view = lens.explore("photos/a.png", target="<b>dog</b>", layer="conv", unit=0, sort="index", size=4, stride=4, ' +
        'fill="grey", score="probability", scale="layer")',
    );
  });

  it("on a saved page disables what it has no answer for, and says why", () => {
    const model = liveModel();
    model.choices = (name) => (name === "layer" ? ["conv"] : name === "size|fill" ? ["4|grey"] : []);
    explorer.render({ model, el });
    const rows = [...el.querySelectorAll<HTMLElement>(".nn-node")];
    expect(rows.map((row) => row.getAttribute("aria-disabled"))).toEqual([null, null, null]);
    rows[1].click();
    const relu = [...el.querySelectorAll<HTMLElement>(".nn-node")].find((row) => row.textContent!.includes("ReLU"))!;
    expect(relu.getAttribute("aria-disabled")).toBe("true");
    expect(relu.title).toContain("needs a running kernel");
    relu.click();
    expect(model.values.layer).toBe("conv");
    expect(el.querySelector<HTMLInputElement>("input[type=range]")!.disabled).toBe(true);
    for (const option of el.querySelectorAll<HTMLOptionElement>("option[value=mean]:not([disabled])")) {
      expect(option.closest("label")!.textContent).toContain("sort");
    }
    expect(el.textContent).toContain("saved page, no kernel");
  });
});

describe("tokens", () => {
  const field = () => el.querySelector<HTMLInputElement>("input[placeholder=auto]")!;
  const show = (more: object) => {
    const model = liveModel();
    model.set("mosaic", { ...mosaic(), ...more });
    activations.render({ model, el });
    return model;
  };

  it("has a field for their grid, which only layers of tokens show", async () => {
    show({});
    await settled();
    expect(field().closest("label")!.hidden).toBe(true);
    el.replaceChildren();
    const model = show({ tokens: 5, grid: [2, 2], layout: "5 tokens as a 2 × 2 grid, first token left out" });
    await settled();
    expect(field().closest("label")!.hidden).toBe(false);
    expect(field().value).toBe("2 × 2");
    expect(el.textContent).toContain("5 tokens as a 2 × 2 grid, first token left out");
    field().value = "1 x 4";
    field().dispatchEvent(new Event("change"));
    expect(model.get("grid")).toEqual([1, 4]);
    field().value = "3 × 3";
    field().dispatchEvent(new Event("change"));
    expect(model.get("grid")).toEqual([1, 4]);
    expect(field().validationMessage).toContain("at most 5 positions");
  });
});

describe("values along one axis", () => {
  it("are drawn as a line", async () => {
    const model = liveModel();
    model.set("mosaic", { ...mosaic(), height: 1, rows: 1, width: 4, columns: 4 });
    activations.render({ model, el });
    await settled();
    expect(el.querySelector(".nn-error")).toHaveProperty("hidden", true);
  });
});

describe("the unit card", () => {
  const pane = (name: string) => el.querySelector<HTMLElement>(`[data-pane="${name}"]`)!;
  const button = (name: string, words: string) =>
    [...pane(name).querySelectorAll("button")].find(
      (one) => (one.textContent || one.getAttribute("aria-label")) === words,
    )!;

  it("tells what feeds the unit and goes there", async () => {
    const model = liveModel();
    unit.render({ model, el });
    const connections = pane("connections");
    expect(connections.textContent).toContain("made by conv (Conv2d): 3 at (1, 1)");
    expect(connections.textContent).toContain("4 others +1.50, bias +.50; together 3");
    const links = connections.querySelectorAll<HTMLButtonElement>(".nn-link");
    expect([...links].map((link) => link.disabled)).toEqual([false, true, false]);
    links[0].click();
    expect([model.values.layer, model.values.unit, model.values.position]).toEqual(["block.relu", 1, null]);
    await settled();
    // Until the kernel answers, what is there is of another unit, and looks so.
    expect(connections.querySelector(".nn-halves")!.classList.contains("nn-stale")).toBe(true);
  });

  it("keeps a unit, and lists what it leans on elsewhere", async () => {
    const model = liveModel();
    unit.render({ model, el });
    button("back_projection", "keep this unit").click();
    await settled();
    expect(model.values.origin).toEqual({ layer: "conv", unit: 0 });
    model.set("layer", "block.relu");
    model.set("back_projection", {
      ...model.values.back_projection,
      layer: "block.relu",
      at: "block.relu",
      leaning: [[1, 0.75]],
    });
    await settled();
    expect(pane("back_projection").querySelector("h2")!.textContent).toBe("conv · 0 at block.relu · 0");
    expect(pane("back_projection").querySelector(".nn-link")!.textContent).toContain("block.relu · 1");
  });

  it("enlarges what the place of the back-projection sees, also where a rectifier has cut its map", async () => {
    const model = liveModel();
    unit.render({ model, el });
    const [rows, columns] = [40, 40];
    const data = new DataView(new Int8Array(rows * columns).fill(1).buffer);
    const whole = { ...model.values.back_projection, rows, columns, data };
    const words = () => pane("back_projection").querySelector(".nn-now-line")!.textContent;
    model.set("back_projection", { ...whole, position: [0, 1] });
    await settled();
    expect(words()).toContain("rows 0…7, columns 2…9");
    model.set("back_projection", { ...whole, position: [1, 0] });
    await settled();
    expect(words()).toContain("rows 2…9, columns 0…7");
    model.set("back_projection", { ...whole, position: null });
    await settled();
    expect(words()).not.toContain("rows");
  });

  it("takes the keys of the toolbox, but not those of a field", async () => {
    const model = liveModel();
    unit.render({ model, el });
    const press = (target: Element, key: string) =>
      target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    press(pane("unit").querySelector("canvas")!, "b");
    expect(model.values.rule).toBe("input × gradient");
    press(pane("unit").querySelector("canvas")!, "d");
    expect(model.values.origin).toEqual({ layer: "conv", unit: 0 });
    press(pane("layers").querySelector("input")!, "b");
    expect(model.values.rule).toBe("input × gradient");
  });

  it("says what goes wrong in the part where it does", async () => {
    const model = liveModel();
    unit.render({ model, el });
    model.set("back_projection", { layer: "conv", unit: 0, error: "no <b>gradient</b>" });
    model.set("ablation", { layer: "conv", unit: 0, error: "computed inside" });
    await settled();
    expect(pane("back_projection").querySelector(".nn-warning")!.textContent).toBe("no <b>gradient</b>");
    expect(pane("ablation").textContent).toContain("computed inside");
  });

  it("moves the classes without the unit, and says whether another is on top", () => {
    unit.render({ model: liveModel(), el });
    expect(pane("ablation").textContent).toContain(".80 → .40");
    expect(pane("ablation").textContent).toContain(
      "without it cat is on top, not <b>dog</b>; <b>dog</b> changes most, by −.40",
    );
  });

  it("shows examples with their labels as text, progress, and stops", async () => {
    const model = liveModel();
    unit.render({ model, el });
    const examples = pane("examples");
    expect(examples.querySelector("figcaption")!.textContent).toBe("2.5<i>cat</i>");
    expect(examples.textContent).toContain("40 of 100 images · 1 could not be read, about 75 s left");
    button("examples", "stop").click();
    expect(model.values.search_request).toBe("stop");
    model.set("search", null);
    model.set("examples", null);
    await settled();
    expect(examples.textContent).toContain("No data set yet: lens.examples(dataset, layers=[…])");
    model.set("search", { done: 9, total: 9, layers: ["other"], running: false, skipped: [] });
    model.set("examples", { layer: "conv", unit: 0, searched: "other" });
    await settled();
    expect(examples.textContent).toContain("was searched for other");
  });

  it("looks at an example that is clicked", () => {
    const model = liveModel();
    unit.render({ model, el });
    pane("examples").querySelector<HTMLButtonElement>("figure button")!.click();
    expect(model.values.example_request).toBe(3);
  });

  it("takes the nearest unit there is", () => {
    const model = liveModel();
    unit.render({ model, el });
    const field = pane("unit").querySelector<HTMLInputElement>('input[type="number"]')!;
    field.value = "99";
    field.dispatchEvent(new Event("change"));
    expect([field.value, model.values.unit]).toEqual(["1", 1]);
  });

  it("grows an image, and stops", async () => {
    const model = liveModel();
    unit.render({ model, el });
    button("synthesis", "synthesise").click();
    expect(model.values.synthesis_run).toBe(1);
    const frame = {
      pictures: [new DataView(new ArrayBuffer(8))],
      values: [1.5],
      peaks: [5],
      objective: "conv · 0",
      negative: false,
      recipe: "fourier",
      seed: 0,
      step: 4,
      steps: 128,
    };
    model.set("synthesis", { layer: "conv", unit: 0, goal: "channel", target: 1, running: true, frame });
    await settled();
    expect(pane("synthesis").textContent).toContain("maximises conv · 0 · fourier · step 4 of 128");
    expect(pane("synthesis").textContent).toContain("its maximum is 2 × that of the best image (2.5)");
    button("synthesis", "stop").click();
    expect(model.values.synthesis_stop).toBe(1);
  });

  it("chooses the place that sees a point of the picture", () => {
    const model = liveModel();
    unit.render({ model, el });
    const canvas = pane("input").querySelector("canvas")!;
    canvas.getBoundingClientRect = () => ({ left: 0, top: 0, width: 80, height: 80 }) as DOMRect;
    canvas.dispatchEvent(new MouseEvent("pointerdown", { clientX: 70, clientY: 10 }));
    expect(model.values.position).toEqual([0, 1]);
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    expect(model.values.position).toBeNull();
  });

  it("holds on a saved page what was kept, and says so of the rest", async () => {
    const table = { "gradient|maximum": { back_projection: state().back_projection } };
    const model = liveModel();
    model.choices = (name: string) => ({ "rule|start": Object.keys(table), layer: ["conv"] })[name] ?? [];
    model.answers = () => [];
    unit.render({ model, el });
    const rules = [...pane("back_projection").querySelector("select")!.options].filter((option) => !option.disabled);
    expect(rules.map((option) => option.value)).toEqual(["gradient"]);
    expect(button("synthesis", "synthesise").disabled).toBe(true);
    expect(button("input", "draw")).toBeUndefined();
    model.set("unit", 1);
    await settled();
    const words = "this page stores conv · 0 here; other units need a kernel";
    for (const name of ["back_projection", "connections", "ablation", "examples"])
      expect(pane(name).textContent).toContain(words);
  });

  it("shows the same parts inside the explorer", async () => {
    const model = liveModel({ ...state(), card: false });
    explorer.render({ model, el });
    const open = [...el.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === "unit card")!;
    open.click();
    expect(model.values.card).toBe(true);
    const context = new Context(model, el);
    el.append(...unit.renderCard(context, new Scene(context)));
    for (const name of ["back_projection", "examples", "synthesis", "connections", "ablation"])
      expect(pane(name)).not.toBeNull();
  });
});

describe("attributions", () => {
  const render = () => {
    const model = liveModel();
    attribution.render({ model, el });
    return model;
  };
  const buttons = (within: string) => [...el.querySelectorAll<HTMLButtonElement>(`${within} button`)];

  it("has a column for each method, a row for each class, and says what is missing", async () => {
    render();
    await settled();
    const maps = [...el.querySelectorAll("canvas.nn-map")];
    expect(maps.map((one) => one.getAttribute("aria-label"))).toEqual([
      "Grad-CAM of <b>dog</b>: grad_cam of class 1",
      "LIME of <b>dog</b>: lime of class 1",
      "Grad-CAM of cat: grad_cam of class 0",
      "LIME of cat: <i>no</i> superpixels",
    ]);
    const cells = [...el.querySelectorAll(".nn-map-cell")];
    expect(cells[2].textContent).toContain("all zero");
    expect(cells[3].textContent).toContain("<i>no</i> superpixels");
    expect(el.querySelector("[data-pane=grid] i, [data-pane=evidence] b")).toBeNull();
  });

  it("chooses a map by a click and by the arrows, and shows its evidence", async () => {
    const model = render();
    const maps = [...el.querySelectorAll<HTMLCanvasElement>("canvas.nn-map")];
    maps[3].click();
    expect([model.values.method, model.values.row]).toEqual(["lime", 1]);
    maps[3].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp" }));
    maps[1].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
    expect([model.values.method, model.values.row]).toEqual(["grad_cam", 0]);
    await settled();
    const evidence = el.querySelector("[data-pane=evidence]")!;
    expect(evidence.textContent).toContain("✗ speaks against itIt hardly changes: <b>edges</b>, not reasons.");
    const ask = buttons("[data-pane=evidence]").find((one) => one.textContent!.includes("other seeds"))!;
    expect(ask.textContent).toBe("other seeds (about 2,000 passes)");
    ask.click();
    expect(model.values.check_request).toMatchObject({ method: "grad_cam", row: 0, check: "seeds" });
  });

  it("adds and takes away methods and classes", async () => {
    const model = render();
    const add = el.querySelector<HTMLSelectElement>('select[aria-label="add a method"]')!;
    expect([...add.options].map((one) => one.textContent)).toEqual(["add a method…", "RISE · 1,000 passes"]);
    add.value = "rise";
    add.dispatchEvent(new Event("change"));
    expect(model.values.methods).toEqual(["grad_cam", "lime", "rise"]);
    await settled();
    buttons("[data-pane=grid]")
      .find((one) => one.getAttribute("aria-label") === "remove LIME")!
      .click();
    expect(model.values.methods).toEqual(["grad_cam", "rise"]);
    await settled();
    buttons("[data-pane=grid]")
      .find((one) => one.getAttribute("aria-label") === "remove cat")!
      .click();
    expect(model.values.other_targets).toEqual([]);
  });

  it("switches superpixels off from the list, and says what that does", async () => {
    const model = render();
    await settled();
    const list = buttons("[data-pane=superpixels]");
    expect(list.map((one) => one.querySelector(".nn-name")!.textContent)).toEqual([
      "superpixel 0",
      "superpixel 1",
      "superpixel 2 ?",
    ]);
    list[1].click();
    expect(model.values.switched_off).toEqual([1]);
    await settled();
    const reading = el.querySelector("[data-pane=photo] .nn-reading")!;
    expect(reading.textContent).toBe("<b>dog</b> .80 → …");
    model.set("switched_scores", {
      off: [1],
      row: 0,
      classes: [1, 0],
      probability: [0.3, 0.7],
      logit: [0, 1],
      top: 0,
      top_probability: 0.7,
    });
    await settled();
    expect(reading.textContent).toBe("<b>dog</b> .80 → .30");
    expect(el.querySelector("[data-pane=superpixels]")!.textContent).toContain("R² 0.80 over 60 samples");
  });

  it("tells how far it is, and stops", async () => {
    const model = render();
    model.set("busy", "attribution");
    model.set("progress", { what: "LIME", row: 0, done: 250.4, total: 1000, remaining: 12.2 });
    await settled();
    const controls = el.querySelector("[data-pane=controls]")!;
    expect(controls.textContent).toContain("LIME: 250 of about 1,000 passes, about 13 s left");
    buttons("[data-pane=controls]")
      .find((one) => one.getAttribute("aria-label") === "stop")!
      .click();
    expect(model.values.cancel).toBe(1);
    model.set("busy", "");
    model.set("progress", null);
    model.set("stopped", true);
    await settled();
    buttons("[data-pane=controls]")
      .find((one) => one.getAttribute("aria-label") === "continue")!
      .click();
    expect(model.values.resume).toBe(1);
  });

  it("is written as code", () => {
    const model = render();
    const context = new Context(model, el);
    expect(attribution.definition.code(context, new Scene(context))).toBe(
      'view = lens.attribution("photos/a.png", methods=["grad_cam","lime"], target=["<b>dog</b>", "cat"], samples=1000, segments=50, width=0.25, seed=0, segmentation="slic")',
    );
  });
});

describe("a comparison", () => {
  it("shows both sides, in the order of their difference, and says why there is none", async () => {
    const model = liveModel();
    compare.render({ model, el });
    await settled();
    const titles = [...el.querySelectorAll("[data-pane=mosaic] h2")].map((title) => title.textContent);
    expect(titles).toEqual(
      ["first side", "second side", "difference"].map((side) => `${side} · mosaic of conv · 2×2²`),
    );
    const bar = el.querySelector(".nn-compared")!;
    expect(bar.querySelector(".nn-number")!.textContent).toBe(".80, .30 (−.50)");
    expect([...bar.querySelectorAll<HTMLElement>(".nn-now")].map((now) => now.style.width)).toEqual(["80%", "30%"]);
    // Unit 1 differs most: it is the first tile on each side, and a click on any side chooses it for all.
    for (const canvas of el.querySelectorAll(".nn-mosaic")) {
      model.set("unit", 0);
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true }));
      expect(model.values.unit).toBe(1);
    }
    model.set("difference_problem", "the layers must have maps of the same shape");
    await settled();
    const last = [...el.querySelectorAll("[data-pane=mosaic]")].at(-1)!;
    expect(last.querySelector<HTMLElement>(".nn-empty")!.hidden).toBe(false);
    expect(last.querySelector<HTMLElement>(".nn-grows .nn-grows, .nn-grows > div")!.hidden).toBe(true);
  });

  it("moves one occluder over both photographs", async () => {
    const model = liveModel();
    compare.render({ model, el });
    const photos = el.querySelectorAll("[data-pane=photo] canvas");
    expect(photos).toHaveLength(2);
    photos[1].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
    expect(model.values.occluder).not.toBeNull();
    expect(model.values.pinned).toBe(true);
    expect(el.querySelector<HTMLButtonElement>("button[aria-label=undo]")!.disabled).toBe(false);
  });

  it("writes its state as code", () => {
    const model = liveModel();
    compare.render({ model, el });
    const context = new Context(model, el);
    const call = () => compare.definition.code(context, new Scene(context));
    expect(call()).toMatch(/^view = lens\.compare\("photos\/a\.png", "photos\/b\.png", target=/);
    model.set("of_models", true);
    expect(call()).toMatch(/^view = nnlens\.compare\(first, second, "photos\/a\.png", target=/);
  });
});
