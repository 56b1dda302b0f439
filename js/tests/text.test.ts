// The views of text: what is coloured, chosen, found and read.

import { beforeEach, describe, expect, it } from "vitest";
import { layTokens, tokenAt } from "../src/draw/token_canvas.ts";
import { shownHead, weightsOf } from "../src/model/attention.ts";
import { Context } from "../src/model/context.ts";
import { cellOrder, cellsOf, chosenTrace, predictedOf, tokensOf } from "../src/model/tokens.ts";
import type { Traits } from "../src/model/traits.ts";
import { breakLines, columnsOf } from "../src/ui/tokens.ts";
import attention from "../src/views/attention/index.ts";
import cells from "../src/views/cells/index.ts";
import logitLens from "../src/views/logit_lens/index.ts";
import { liveModel, state } from "./model.ts";
import { read, textPayload } from "./text.ts";

const made = (more: Partial<Traits> = {}) => liveModel({ ...state(), ...read(), grid: null, ...more } as never);
const settled = () => new Promise((done) => setTimeout(done, 40));
const view = (numbers: ArrayLike<number> & ArrayBufferView) => new DataView(numbers.buffer as ArrayBuffer);
let el: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  el = document.body.appendChild(document.createElement("div"));
});

const paneOf = (name: string) => el.querySelector<HTMLElement>(`[data-pane=${name}]`)!;

describe("the text", () => {
  it("breaks lines at tokens that end one, and where the width is full", () => {
    const width = (token: number) => [3, 3, 3, 9, 1][token];
    expect(breakLines(5, width, (token) => token === 3, 7)).toEqual([0, 2, 3, 4, 5]);
    expect(breakLines(0, width, () => false, 7)).toEqual([0, 0]);
  });

  it("counts columns: wide characters are two, marks that combine are none", () => {
    expect(["ab", "日本", "e\u0301", "🐇", ""].map(columnsOf)).toEqual([2, 4, 1, 2, 0]);
  });

  it("has a piece for each token, and a name for one that is no whole character", () => {
    const tokens = tokensOf(textPayload("ab", { 1: "<0xF0>" }))!;
    expect([tokens.piece(0), tokens.piece(1)]).toEqual(["a", "<0xF0>"]);
    expect([tokens.isMark(0), tokens.isMark(1)]).toEqual([false, true]);
  });

  it("lies on a canvas in lines, and finds the token at a point", () => {
    const drawing = layTokens(["aa", "bb", "c"], 40, (text) => 10 * text.length);
    expect(drawing.boxes.map(({ left, top }) => [left, top])).toEqual([[0, 0], [20, 0], [0, 20]]); // biome-ignore format: a line
    expect(tokenAt(drawing, 40, 0.25, 0.75)).toBe(1);
    expect(tokenAt(drawing, 40, 0.75, 0.9)).toBeNull();
  });
});

describe("cells", () => {
  it("decodes values and orders cells", () => {
    const context = new Context(made(), el);
    const decoded = cellsOf(context.get("cells"))!;
    expect([decoded.at(0, 0), decoded.at(0, 2), decoded.at(1, 1)]).toEqual([-1, 1, 2]);
    expect([...cellOrder(decoded, "index", 0, [])]).toEqual([0, 1]);
    expect([...cellOrder(decoded, "variation", 0, [])]).toEqual([1, 0]);
    expect([...cellOrder(decoded, "similarity", 1, [])]).toEqual([1, 0]);
    expect([...cellOrder(decoded, "found", 0, [{ layer: "conv", unit: 1 }])]).toEqual([1, 0]);
    expect(chosenTrace(context)!(2)).toBe(1);
    const predicted = predictedOf(context.get("predictions"))!;
    expect([predicted.word(1, 0), predicted.probability(1, 0)]).toEqual(["b", 0.75]);
  });

  it("reads the trace from the codes where the chosen cell was not sent", () => {
    const context = new Context(made({ unit: 1 }), el);
    expect(chosenTrace(context)!(1)).toBe(2);
  });

  it("chooses a found cell with its layer, and marks those that are no better than chance", async () => {
    const model = made({ layer: "block.relu" });
    cells.render({ model, el });
    await settled();
    const [first, second] = paneOf("find").querySelectorAll<HTMLButtonElement>(".nn-link");
    expect(first.textContent).toContain("1 −");
    expect(second.classList).toContain("nn-slim");
    first.click();
    expect([model.values.layer, model.values.unit]).toEqual(["conv", 1]);
  });

  it("asks for a pattern, and takes it", async () => {
    const model = made({ wanted: "" });
    cells.render({ model, el });
    await settled();
    const select = paneOf("find").querySelector("select")!;
    select.value = "re:";
    select.dispatchEvent(new Event("change"));
    const pattern = paneOf("find").querySelector<HTMLInputElement>("input[type=search]")!;
    expect(pattern.hidden).toBe(false);
    pattern.value = "a+";
    pattern.dispatchEvent(new Event("change"));
    expect(model.values.wanted).toBe("re:a+");
  });

  it("reads what is typed", async () => {
    const model = made();
    cells.render({ model, el });
    await settled();
    const field = paneOf("text").querySelector("textarea")!;
    expect(field.value).toBe("a(b");
    field.value = "a(bc";
    field.dispatchEvent(new Event("input"));
    await settled();
    expect(model.values.typed).toEqual({ text: "a(bc" });
  });

  it("goes on to a context, lets a held cell go, and asks the model to write", async () => {
    const model = made();
    cells.render({ model, el });
    await settled();
    paneOf("contexts").querySelector<HTMLButtonElement>(".nn-context-line")!.click();
    expect(model.values.typed).toEqual({ text: "cat" });
    const [release, write] = paneOf("hold").querySelectorAll<HTMLButtonElement>(".nn-toolbar button");
    write.click();
    expect(model.values.write).toBe(1);
    release.click();
    expect(model.values.hold_at).toBeNull();
    expect(paneOf("hold").textContent).toContain("cat");
  });

  it("moves the threshold with the keys", async () => {
    const model = made({ threshold: null });
    cells.render({ model, el });
    await settled();
    const canvas = paneOf("trace").querySelector("canvas")!;
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true }));
    expect(model.values.threshold).toBeCloseTo(0.1);
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(model.values.threshold).toBeNull();
  });

  it("disables what needs a kernel in a saved page", async () => {
    const model = made();
    model.choices = () => ["conv"];
    model.answers = () => [];
    cells.render({ model, el });
    await settled();
    for (const select of paneOf("find").querySelectorAll("select")) expect(select.disabled).toBe(true);
    for (const button of paneOf("hold").querySelectorAll<HTMLButtonElement>(".nn-toolbar button"))
      expect(button.disabled).toBe(true);
  });
});

describe("attention", () => {
  it("has what a token reads, and what reads it; of one head, and of their mean", () => {
    const shown = (more: Partial<Traits>) => {
      const context = new Context(made(more), el);
      const head = shownHead(context)!;
      return [...weightsOf(context, head, 1)].map((weight) => Math.round(100 * weight));
    };
    expect(shown({})).toEqual([75, 25, 0]);
    expect(shown({ head: 1 })).toEqual([0, 100, 0]);
    expect(shown({ combine: "mean" })).toEqual([38, 63, 0]);
    expect(shown({ direction: "is read by" })).toEqual([0, 25, 0]);
    // Without rollout the mean is shown, and says so.
    const context = new Context(made({ combine: "rollout" }), el);
    expect(shownHead(context)!.name).toBe("mean");
  });

  it("reads only the largest weights of a long text", () => {
    const payload = { ...read().attention!, k: 1, index: view(Uint16Array.of(0, 0, 0, 0, 1, 2)) };
    const attentionOf = { ...payload, data: view(Uint8Array.of(255, 255, 255, 255, 255, 128)) };
    const context = new Context(made({ attention: attentionOf, head: 1 }), el);
    const head = shownHead(context)!;
    expect(head.heads.sparse).toBe(true);
    expect([...head.reads(2)].map((weight) => Math.round(100 * weight))).toEqual([0, 0, 25]);
  });

  it("shows heads in numbers beside even attention, and chooses one", async () => {
    const model = made();
    attention.render({ model, el });
    await settled();
    const rows = [...paneOf("patterns").querySelectorAll("tbody tr")].map((row) => row.textContent);
    expect(rows[0]).toContain("head 0");
    expect(rows[0]).toContain("+.100");
    expect(rows[2]).toContain("0.40");
    paneOf("patterns").querySelectorAll<HTMLButtonElement>("tbody button")[1].click();
    expect(model.values.head).toBe(1);
    const [layer] = paneOf("heads").querySelectorAll("select");
    layer.value = "block.relu";
    layer.dispatchEvent(new Event("change"));
    expect(model.values.attention_layer).toBe("block.relu");
  });

  it("says in words what the chosen token reads", async () => {
    attention.render({ model: made({ token: 1 }), el });
    await settled();
    expect(paneOf("tokens").textContent).toContain("“(” reads “a” 0.75, “(” 0.25");
  });
});

describe("the logit lens", () => {
  it("chooses a token with the keys, and colours by what is asked for", async () => {
    const model = made();
    logitLens.render({ model, el });
    await settled();
    const canvas = paneOf("lens").querySelector("canvas")!;
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    expect(model.values.token).toBe(1);
    const select = paneOf("lens").querySelector("select")!;
    select.value = "bits";
    select.dispatchEvent(new Event("change"));
    expect(model.values.color_by).toBe("bits");
    await settled();
    expect(paneOf("lens").textContent).toContain("read by conv");
    expect(paneOf("ranks").textContent).toContain("at “(”");
  });
});
