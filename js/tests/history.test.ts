// Undo, redo, and the state as text: in a saved page, whose model answers from tables, and with a kernel.

import { beforeEach, describe, expect, it, vi } from "vitest";
import { Context, type Model } from "../src/model/context.ts";
import { decodeState, encodeState, showState } from "../src/model/state.ts";
import { stillModel } from "../src/model/still.ts";
import type { StateTrait, Traits } from "../src/model/traits.ts";
import explorer from "../src/views/explorer/index.ts";
import { liveModel, mosaic, state } from "./model.ts";

const DEFAULTS: [name: string, value: unknown, only_if?: string][] = [
  ["layer", ""],
  ["unit", 0],
  ["position", null],
  ["target", 0],
  ["scale", "layer"],
  ["limits", null],
  ["sort", "index"],
  ["overlay", false],
  ["size", 32],
  ["fill", "grey"],
  ["shape", "rectangle"],
  ["score", "probability"],
  ["definition", "position"],
  ["pinned", false],
  ["occluder", null, "pinned"],
];
const TRAITS: StateTrait[] = DEFAULTS.map(([name, value, only_if = null]) => ({
  name,
  default: ["layer", "unit", "target", "size", "fill"].includes(name) ? null : JSON.stringify(value),
  values: name === "sort" ? ["index", "mean", "maximum", "zeros"] : null,
  only_if: only_if as string | null,
}));
const values = () => ({ ...state(), card: false, state_traits: TRAITS, lens_id: String(Math.random()), pinned: false });
const settled = () => new Promise((done) => setTimeout(done, 0));
let el: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});

/** As in a saved page: another layer brings a unit of its own. */
function saved(): Model {
  const table = {
    conv: { mosaic: mosaic("conv"), unit: 0, position: null },
    "block.relu": { mosaic: mosaic("block.relu"), unit: 1, position: null },
  };
  const pairs = [1, 2, 3, 4].flatMap((size) => ["grey", "mean"].map((fill) => `${size}|${fill}`));
  const maps = { on: ["size", "fill"], table: Object.fromEntries(pairs.map((pair) => [pair, {}])) };
  const content = { state: values(), responses: [{ on: ["layer"], table }, maps], esm: "", css: "" };
  return stillModel(content as Parameters<typeof stillModel>[0], false);
}

/** As a kernel does it: a request is answered with the state that it names. */
function live(): Model {
  const model = liveModel(values() as Partial<Traits>);
  model.on("change:restore", () => {
    const asked = model.get("restore") as Traits["restore"];
    if (!asked) return;
    setTimeout(() => {
      const context = new Context(model, el);
      for (const [name, value] of decodeState(context, asked.state) ?? []) model.set(name, value);
      context.stop();
      model.set("restore", null);
    });
  });
  model.on("change:layer", () => model.set("unit", model.get("layer") === "conv" ? 0 : 1));
  return model;
}

function numbers(seed: number): () => number {
  let at = seed;
  return () => {
    at = (at * 1103515245 + 12345) % 2147483648;
    return at / 2147483648;
  };
}

/** Something that a user may do, chosen at random. */
function act(random: () => number): void {
  const pick = <T>(all: T[]): T => all[Math.floor(random() * all.length)];
  const key = (name: string) => new KeyboardEvent("keydown", { key: name, bubbles: true });
  const kinds = [
    () => pick([...el.querySelectorAll<HTMLElement>(".nn-bar, .nn-node, button[aria-pressed]")]).click(),
    () => {
      const usable = [...el.querySelectorAll("select")].filter((one) => one.querySelector("option:not([disabled])"));
      const select = pick(usable);
      select.value = pick([...select.options].filter((one) => !one.disabled)).value;
      select.dispatchEvent(new Event("change"));
    },
    () => {
      const slider = el.querySelector<HTMLInputElement>("input[type=range]")!;
      slider.value = pick(["1", "2", "3"]);
      slider.dispatchEvent(new Event("input"));
    },
    () =>
      pick([...el.querySelectorAll("canvas[tabindex]")]).dispatchEvent(
        key(pick(["ArrowLeft", "ArrowDown", "Escape", "o"])),
      ),
    () => {
      const canvas = pick([...el.querySelectorAll("canvas[tabindex]")]);
      canvas.dispatchEvent(
        Object.assign(new Event("pointermove"), { clientX: random() * 8, clientY: random() * 8, buttons: 0 }),
      );
    },
  ];
  pick(kinds)();
}

describe.each([
  ["a saved page", saved],
  ["a kernel", live],
])("with %s", (_, make) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])("undoes whatever was done, and does it again (%i)", async (seed) => {
    const model = make();
    explorer.render({ model, el });
    await settled();
    const context = new Context(model, el);
    const [undo, redo] = ["undo", "redo"].map(
      (name) => el.querySelector<HTMLButtonElement>(`button[aria-label=${name}]`)!,
    );
    const first = encodeState(context);
    expect(undo.disabled).toBe(true);
    const random = numbers(seed);
    for (let step = 0; step < 40; step++) {
      act(random);
      await settled();
    }
    const last = encodeState(context);
    for (let step = 0; step < 100 && !undo.disabled; step++) {
      undo.click();
      if (random() < 0.5) await settled();
    }
    await settled();
    await settled();
    expect(encodeState(context)).toBe(first);
    for (let step = 0; step < 100 && !redo.disabled; step++) redo.click();
    await settled();
    await settled();
    expect(encodeState(context)).toBe(last);
  });
});

it("undoes across the views of a lens, with the keys, but not those of a field", async () => {
  const [one, other] = [saved(), saved()];
  other.set("lens_id", one.get("lens_id"));
  const [first, second] = [1, 2].map(() => el.appendChild(document.createElement("div")));
  explorer.render({ model: one, el: first });
  explorer.render({ model: other, el: second });
  first.querySelectorAll<HTMLElement>(".nn-bar")[1].click();
  expect(one.get("target")).toBe(0);
  const press = (target: Element, shiftKey = false) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key: "z", ctrlKey: true, shiftKey, bubbles: true }));
  const field = second.querySelector<HTMLInputElement>("input[type=search]")!;
  field.value = "something typed";
  press(field);
  expect(one.get("target")).toBe(0);
  press(second.querySelector("canvas")!);
  expect(one.get("target")).toBe(1);
  press(second.querySelector("canvas")!, true);
  expect(one.get("target")).toBe(0);
});

it("undoes what was done while the pointer was pressed as one change, and what two presses did as two", async () => {
  const model = saved();
  explorer.render({ model, el });
  const slider = el.querySelector<HTMLInputElement>("input[type=range]")!;
  const undo = el.querySelector<HTMLButtonElement>("button[aria-label=undo]")!;
  const drag = (to: string) => {
    slider.value = to;
    slider.dispatchEvent(new Event("input"));
  };
  const now = vi.spyOn(Date, "now");
  slider.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  for (const [at, to] of ["2", "1", "0"].entries()) {
    now.mockReturnValue(2000 * (at + 1));
    drag(to);
  }
  window.dispatchEvent(new Event("pointerup"));
  expect(model.get("size")).toBe(1);
  slider.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  drag("1");
  window.dispatchEvent(new Event("pointerup"));
  now.mockRestore();
  undo.click();
  expect(model.get("size")).toBe(1);
  undo.click();
  expect(model.get("size")).toBe(4);
  expect(undo.disabled).toBe(true);
});

it("does not undo what a pointer passes over", async () => {
  explorer.render({ model: saved(), el });
  const photo = el.querySelector("[data-pane=photo] canvas")!;
  photo.dispatchEvent(Object.assign(new Event("pointermove"), { clientX: 2, clientY: 2, buttons: 0 }));
  expect(el.querySelector<HTMLButtonElement>("button[aria-label=undo]")!.disabled).toBe(true);
});

describe("the state as text", () => {
  const context = (given: Partial<Traits> = {}) =>
    new Context(liveModel({ ...values(), ...given } as Partial<Traits>), el);

  it("names what is not usual, and words that are JSON keep their quotes", () => {
    expect(encodeState(context({ layer: "0", position: [1, 2], limits: [-0.00005, 1e-7] }))).toBe(
      "1&layer=%220%22&unit=0&position=[1,2]&target=1&limits=[-0.00005,1e-7]&size=4&fill=grey",
    );
    expect(decodeState(context(), "1&layer=%220%22&size=4")!.get("layer")).toBe("0");
    expect(decodeState(context(), "1&layer=a%26b")!.get("layer")).toBe("a&b");
  });

  it("leaves the occluder out where it only follows the pointer", () => {
    expect(encodeState(context({ occluder: [1, 1] }))).not.toContain("occluder");
    expect(encodeState(context({ occluder: [1, 1], pinned: true }))).toContain("pinned=true&occluder=[1,1]");
  });

  it("says what a page cannot show", () => {
    const model = saved();
    model.choices = (name) => (name === "layer" ? ["conv"] : name === "size|fill" ? ["4|grey"] : null);
    const page = new Context(model, el);
    showState(page, "1&layer=block.relu");
    expect(page.get("error")!.message).toBe("this page does not hold layer=block.relu");
    showState(page, "2&layer=conv");
    expect(page.get("error")!.message).toBe("this is not a state of this view");
    expect(page.get("layer")).toBe("conv");
    for (const wrong of ["1&layer=%E0", "1&sort=foo", "1&unit=foo", "1&occluder=[5]", "1&nothing=1"]) {
      page.set({ error: null });
      showState(page, wrong);
      expect(page.get("error")!.message, wrong).toBe("this is not a state of this view");
    }
    showState(page, "1&size=99");
    expect(page.get("error")!.message).toBe("this page does not hold size=99, fill=grey");
    for (const [beyond, what] of [
      ["1&unit=99", "unit=99"],
      ["1&target=9", "target=9"],
    ]) {
      showState(page, beyond);
      expect(page.get("error")!.message).toBe(`this page does not hold ${what}`);
    }
    // What a person leaves out stays as it is.
    showState(page, "1&unit=1");
    expect([page.get("layer"), page.get("unit"), page.get("size")]).toEqual(["conv", 1, 4]);
  });
});
