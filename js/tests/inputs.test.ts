// The panes of inputs, and of results that are no class scores, on real pixels.

import { beforeEach, describe, expect, it } from "vitest";
import { Context } from "../src/model/context.ts";
import { Scene } from "../src/model/scene.ts";
import type { Traits } from "../src/model/traits.ts";
import { placeOf } from "../src/ui/place.ts";
import inputs from "../src/views/inputs/index.ts";
import { liveModel, state } from "./model.ts";

let el: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});

const settled = () => new Promise((done) => setTimeout(done, 5));
const view = (numbers: ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);

async function shown(values: Partial<Traits>) {
  const model = liveModel({ ...state(), ...values });
  const context = new Context(model, el);
  const { given, results } = inputs.renderInputs(context, new Scene(context));
  el.append(...given, ...results);
  await settled();
  return { model, context };
}

const paneOf = (name: string) => el.querySelector<HTMLElement>(`[data-pane="${name}"]`)!;

/** A pointer at shares of an element's width and height. */
function at(element: Element, kind: string, x: number, y: number, buttons = 1) {
  element.getBoundingClientRect = () => ({ left: 0, top: 0, width: 100, height: 100 }) as DOMRect;
  element.dispatchEvent(
    Object.assign(new MouseEvent(kind, { clientX: 100 * x, clientY: 100 * y, buttons }), { pointerId: 1 }),
  );
}

it("shows no pane without its payload", async () => {
  await shown({});
  for (const name of ["inputs", "volume", "bands", "channels", "class_map", "boxes", "neighbours", "made"])
    expect(paneOf(name).hidden, name).toBe(true);
});

describe("boxes", () => {
  const boxes = {
    boxes: [
      [0, 0, 1, 1],
      [0.25, 0.25, 0.5, 0.5],
    ] as [number, number, number, number][],
    classes: [0, 1],
    scores: [0.9, 0.6],
    can_choose: true,
  };

  it("takes the smallest box under the pointer as the target", async () => {
    const { model } = await shown({ boxes, box_value: "score", target: 0 });
    const canvas = paneOf("boxes").querySelector("canvas")!;
    at(canvas, "pointerdown", 0.4, 0.4);
    expect(model.values.target).toBe(1);
    at(canvas, "pointerdown", 0.9, 0.9);
    expect(model.values.target).toBe(0);
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    expect(model.values.target).toBe(1);
  });

  it("lists them with their scores, and asks for another value", async () => {
    const { model } = await shown({ boxes, box_value: "score", target: 1 });
    const buttons = [...paneOf("boxes").querySelectorAll("button")];
    expect(buttons.map((button) => button.getAttribute("aria-pressed"))).toEqual(["false", "true"]);
    expect(buttons[0].textContent).toContain("90");
    const select = paneOf("boxes").querySelector("select")!;
    select.value = "right";
    select.dispatchEvent(new Event("change"));
    expect(model.values.box_value).toBe("right");
  });
});

describe("a volume", () => {
  const volume = {
    shape: [4, 6, 8] as [number, number, number],
    step: 1,
    stored: [4, 6, 8] as [number, number, number],
    data: view(Uint8Array.from({ length: 4 * 6 * 8 }, (_, index) => index)),
    range: [0, 1] as [number, number],
    can_map: true,
  };
  const values = { volume, crosshair: [1, 2, 3] as [number, number, number], box_size: 2 };

  it("draws the slices through the point", async () => {
    await shown(values);
    const [across, , side] = paneOf("volume").querySelectorAll("canvas");
    const grey = (canvas: HTMLCanvasElement, rows: number, columns: number, row: number, column: number) => {
      const [x, y] = [((column + 0.25) / columns) * canvas.width, ((row + 0.25) / rows) * canvas.height];
      return canvas.getContext("2d")!.getImageData(Math.floor(x), Math.floor(y), 1, 1).data[0];
    };
    expect(grey(across, 6, 8, 5, 6)).toBe(1 * 48 + 5 * 8 + 6);
    expect(grey(side, 4, 6, 3, 5)).toBe(3 * 48 + 5 * 8 + 3);
  });

  it("moves the point by hand and by keys", async () => {
    const { model } = await shown(values);
    const [across, down] = paneOf("volume").querySelectorAll("canvas");
    at(across, "pointerdown", 0.99, 0);
    expect(model.values.crosshair).toEqual([1, 0, 7]);
    at(down, "pointermove", 0, 0.99);
    expect(model.values.crosshair).toEqual([3, 0, 0]);
    across.dispatchEvent(new KeyboardEvent("keydown", { key: "PageUp" }));
    expect(model.values.crosshair).toEqual([2, 0, 0]);
    across.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp" }));
    expect(model.values.crosshair).toEqual([2, 0, 0]);
  });

  it("tells what hiding the box does, once it is of this place", async () => {
    const hidden = { first: [0, 1, 2] as [number, number, number], size: 2 };
    const scores = { classes: [1, 0], probability: [0.25, 0.75], logit: [0, 1], top: 0, top_probability: 0.75 };
    const { model } = await shown({ ...values, target: 1, hidden_box: { ...hidden, ...scores } });
    const reading = paneOf("volume").querySelector(".nn-reading")!;
    expect(reading.textContent).toContain("→ .25");
    expect(reading.classList.contains("nn-stale")).toBe(false);
    model.set("crosshair", [3, 5, 7]);
    await settled();
    expect(reading.classList.contains("nn-stale")).toBe(true);
  });

  it("shows the map over the nearest slice, and stops it", async () => {
    const map = {
      target: 1,
      size: [2, 2, 2] as [number, number, number],
      fronts: [0, 2],
      tops: [0, 2, 4],
      lefts: [0, 2, 4, 6],
      change: view(Float32Array.from({ length: 24 }, (_, index) => (index < 12 ? 0 : -0.5))),
      total: 3,
      running: true,
    };
    const { model } = await shown({ ...values, target: 1, volume_map: map });
    const canvas = () => paneOf("volume").querySelector("canvas")!;
    const pixel = () => [...canvas().getContext("2d")!.getImageData(3, 3, 1, 1).data].slice(0, 3);
    const clear = pixel();
    model.set("crosshair", [3, 2, 3]);
    await settled();
    expect(pixel()).not.toEqual(clear);
    expect(paneOf("volume").textContent).toContain("2 of 3 depths");
    paneOf("volume").querySelector<HTMLButtonElement>(".nn-icon-button")!.click();
    expect(model.values.cancel).toBe(1);
  });
});

it("hides channels together, and lists all where there are many", async () => {
  const count = 14;
  const rows = [Array.from({ length: count }, (_, channel) => 0.8 - channel / 100)];
  const channel_scores = { classes: [1], probability: rows, logit: rows, top: [], top_probability: [], count };
  const without = { channels: [3], classes: [1], probability: [0.4], logit: [0], top: 1, top_probability: 0.4 };
  const { model } = await shown({ channel_scores, hidden_channels: [3], without_channels: without, target: 1 });
  const pane = paneOf("channels");
  expect(pane.querySelectorAll("input")).toHaveLength(12);
  [...pane.querySelectorAll("button")].at(-1)!.click();
  expect(pane.querySelectorAll("input")).toHaveLength(count);
  expect(pane.querySelectorAll("input")[3].checked).toBe(true);
  expect(pane.textContent).toContain("without channel 3");
  pane.querySelectorAll("input")[0].click();
  expect(model.values.hidden_channels).toEqual([0, 3]);
});

it("writes small changes of a probability with their digits", async () => {
  const rows = [[0.798, 0.8, 0.6]];
  const channel_scores = { classes: [1], probability: rows, logit: rows, top: [], top_probability: [], count: 3 };
  await shown({ channel_scores, hidden_channels: [], without_channels: null, target: 1 });
  const numbers = [...paneOf("channels").querySelectorAll(".nn-number")].map((number) => number.textContent);
  expect(numbers).toEqual(["−.20", "−0.002", "0"]);
});

it("chooses bands, and shows the values of each", async () => {
  const five = [1, 2, 3, 4, 5];
  const bands = { shown: [2, 1, 0], least: five, mean: five, most: five, deviation: five };
  const { model } = await shown({ bands });
  const selects = paneOf("bands").querySelectorAll("select");
  expect([...selects].map((select) => select.value)).toEqual(["2", "1", "0"]);
  selects[0].value = "4";
  selects[0].dispatchEvent(new Event("change"));
  expect(model.values.asked_bands).toEqual([4, 1, 0]);
  expect(paneOf("bands").querySelectorAll("tbody tr")).toHaveLength(5);
});

it("makes a neighbour the target", async () => {
  const empty = view(new Uint8Array(0));
  const items = [
    { similarity: 0.9, picture: empty },
    { similarity: 0.5, picture: empty },
  ];
  const { model } = await shown({ neighbours: { items, total: 40 }, target: 0 });
  const [, second] = paneOf("neighbours").querySelectorAll("button");
  second.click();
  expect(model.values.target).toBe(1);
  expect(paneOf("neighbours").textContent).toContain("40 items");
});

it("shows what the model makes of a signal, and its difference", async () => {
  const trace = { channels: 1, columns: 3, low: view(Float32Array.of(0, 1, 0)), high: view(Float32Array.of(0, 1, 0)) };
  const drawn = { ...trace, range: [0, 1] as [number, number], bars: false };
  const made = { width: 96, height: 14, trace: drawn, difference_trace: drawn, reach: 0.5, error: 0.125 };
  const photo = { ...state().photo!, shown: [96, 14], kind: "signal" as const, trace: drawn };
  await shown({ photo, made_picture: made });
  expect(paneOf("made").querySelectorAll("canvas")).toHaveLength(2);
  expect(paneOf("made").textContent).toContain("0.125");
});

it("draws a region by hand", async () => {
  const class_map = {
    rows: 10,
    columns: 10,
    classes: [1, 0],
    shares: [0.5, 0.5],
    data: view(new Uint16Array(100)),
    box: null,
    region: null,
  };
  const { model } = await shown({ class_map });
  const pane = paneOf("class_map");
  const canvas = pane.querySelector("canvas")!;
  [...pane.querySelectorAll("button")][0].click();
  at(canvas, "pointerdown", 0.1, 0.1);
  at(canvas, "pointermove", 0.9, 0.1);
  at(canvas, "pointermove", 0.5, 0.8);
  at(canvas, "pointerup", 0.5, 0.8);
  const asked = model.values.asked_place as { box: null; outline: number[][] };
  expect(asked.box).toBeNull();
  expect(asked.outline).toEqual([
    [1, 1],
    [1, 9],
    [8, 5],
  ]);
  const region = view(Uint8Array.from({ length: 100 }, (_, place) => (place < 15 ? 1 : 0)));
  model.set("class_map", { ...class_map, box: [0, 0, 1, 9], region });
  await settled();
  expect(pane.textContent).toContain("15 places");
});

it("says places in the units of the axes", async () => {
  const photo = { ...state().photo!, width: 10, height: 4 };
  const { context, model } = await shown({});
  model.set("photo", { ...photo, row_scale: [8, 0, "Hz"], column_scale: [0, 5, "s"] });
  expect(placeOf(context, [1, 3])).toBe("1.75 s, 5 Hz");
  model.set("photo", { ...photo, column_scale: [0, 5, "s"] });
  expect(placeOf(context, [1, 3])).toBe("1.75 s, row 1");
});

it("marks the labels that are there", async () => {
  const bars = el.appendChild(document.createElement("div"));
  bars.dataset.pane = "bars";
  bars.innerHTML = '<button class="nn-bar"><span class="nn-name"></span></button>'.repeat(2);
  const meaning = { ...state().meaning, task: "multilabel" as const };
  const { model } = await shown({ meaning, label_threshold: 0.5 });
  const marked = () => [...bars.querySelectorAll(".nn-name")].map((name) => name.classList.contains("nn-on"));
  expect(marked()).toEqual([true, false]);
  const field = bars.querySelector("input")!;
  field.value = "0.1";
  field.dispatchEvent(new Event("change"));
  await settled();
  expect(model.values.label_threshold).toBe(0.1);
  expect(marked()).toEqual([true, true]);
});
