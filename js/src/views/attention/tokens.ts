// Where the token under the mouse reads from, or what reads it: over the text, or over the photograph.

import { colorOf } from "../../draw/colors.ts";
import { chosenHeads, shownHead, weightsOf } from "../../model/attention.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { tokensOf } from "../../model/tokens.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say, sized } from "../../ui/dom.ts";
import { fixed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { cellOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";
import { tokenText } from "../../ui/tokens.ts";
import { editor } from "../cells/text.ts";
import { LIMITS } from "./heads.ts";
import { axes, labelled, lookedAt } from "./names.ts";

const SIDE = 320;

/** What is shown as one, in words. */
export function shownWords(context: Context): string {
  const shown = shownHead(context);
  if (shown?.name === "mean") return t("mean of the heads");
  if (shown?.name === "rollout") return t("rollout");
  return t("head {head}", { head: context.get("head") });
}

export function tokensPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow", "aria-live": "polite" });
  const notes = h("div", { class: "nn-note", hidden: true });
  const edit = editor(context);
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application", hidden: true });
  const direction = choice(
    t("a token"),
    [
      ["reads", t("reads")],
      ["is read by", t("is read by")],
    ],
    (value) => context.set({ direction: value }),
  );
  let weights: Float32Array = new Float32Array();
  let most = 1;

  const compute = () => {
    const shown = shownHead(context);
    weights = shown ? weightsOf(context, shown, lookedAt(context, scene)) : new Float32Array();
    // Attention that is nearly even must not look strong.
    most = Math.max(
      4 / (weights.length || 1),
      weights.reduce((a, b) => Math.max(a, b), 0),
    );
  };
  /** Whether the text's tokens lie along an axis. */
  const isText = (axis: "query" | "key") => {
    const payload = chosenHeads(context)?.payload;
    return (axis === "query" ? payload?.query_names : payload?.key_names) === null;
  };
  const words = () => {
    const { from, to } = axes(context);
    const best = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3);
    const list = best
      .filter((key) => weights[key] > 0)
      .map((key) => `${labelled(context, to, key)} ${fixed(weights[key], 2)}`);
    const token = labelled(context, from, lookedAt(context, scene));
    const values = { token, list: list.join(", ") };
    return from === "query" ? t("{token} reads {list}", values) : t("{token} is read by {list}", values);
  };
  const text = tokenText(context, {
    tokens: () => (isText("query") || isText("key") ? tokensOf(context.get("text")) : null),
    color: (token) => {
      // Of attention to another text only one side is this text.
      if (!isText(axes(context).to) || !(weights[token] > 0)) return null;
      // The upper half of the diverging colours: from the paper to a strong colour.
      return colorOf(Math.sqrt(weights[token] / most), [-1, 1], scene.table([-1, 1]));
    },
    selected: () => (isText(axes(context).from) ? lookedAt(context, scene) : null),
    hovered: (token) => {
      if (isText(axes(context).from)) scene.selected.hover = token === null ? null : [0, token];
    },
    picked: (token) => {
      if (isText(axes(context).from)) context.set({ token });
    },
    label: () => `${shownWords(context)}: ${words()}`,
  });

  /** The photograph with the weights of its patches over it. */
  const drawPhoto = () => {
    const payload = chosenHeads(context)?.payload;
    const { image } = scene.photo;
    canvas.hidden = !payload?.grid || !image;
    if (!payload?.grid || !image) return;
    const ratio = image.height / image.width || 1;
    const [width, height] = [SIDE, SIDE * ratio];
    const pen = sized(canvas, width, height);
    pen.filter = "grayscale(1)";
    pen.drawImage(image, 0, 0, width, height);
    pen.filter = "none";
    const [rows, columns] = payload.grid;
    const [wide, high] = [width / columns, height / rows];
    const table = scene.table(LIMITS);
    for (let at = payload.extra; at < weights.length; at++) {
      const place = at - payload.extra;
      const share = Math.sqrt(weights[at] / most);
      const color = colorOf(share, LIMITS, table);
      pen.fillStyle = `rgb(${color & 255} ${(color >> 8) & 255} ${(color >> 16) & 255} / ${0.15 + 0.7 * share})`;
      pen.fillRect((place % columns) * wide, Math.floor(place / columns) * high, wide + 0.5, high + 0.5);
    }
    const token = lookedAt(context, scene) - payload.extra;
    if (token >= 0) {
      pen.strokeStyle = context.color("--nn-accent");
      pen.lineWidth = 2;
      pen.strokeRect((token % columns) * wide, Math.floor(token / columns) * high, wide, high);
    }
  };
  const patchAt = (event: MouseEvent): number | null => {
    const payload = chosenHeads(context)?.payload;
    if (!payload?.grid) return null;
    const [row, column] = cellOn(canvas, event, payload.grid[0], payload.grid[1]);
    return payload.extra + row * payload.grid[1] + column;
  };
  context.listen(canvas, "pointermove", (event) => {
    const token = patchAt(event);
    scene.selected.hover = token === null ? null : [0, token];
  });
  context.listen(canvas, "pointerleave", () => (scene.selected.hover = null));
  context.listen(canvas, "click", (event) => context.set({ token: patchAt(event) }));
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const payload = chosenHeads(context)?.payload;
    if (!payload?.grid) return;
    const by = { ArrowUp: -payload.grid[1], ArrowDown: payload.grid[1], ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    context.set({ token: Math.min(payload.keys - 1, Math.max(0, lookedAt(context, scene) + by)) });
  });

  const repaint = () => {
    compute();
    const payload = chosenHeads(context)?.payload;
    text.element.hidden = Boolean(payload?.grid);
    if (payload?.grid) drawPhoto();
    else text.paint();
    say(reading, words());
    canvas.setAttribute("aria-label", `${shownWords(context)}: ${words()}`);
    say(title, t("{head} over the tokens", { head: shownWords(context) }));
    direction.select.value = context.get("direction");
    const about = [
      ...(context.get("text")?.notes ?? []),
      chosenHeads(context)?.sparse
        ? t("a long text: the {k} largest weights of each row are shown", { k: payload?.k ?? 0 })
        : "",
      payload && !isText(axes(context).from) && !payload.grid
        ? t("the tokens of this layer are not those of the text: choose them in the matrix")
        : "",
    ];
    say(notes, about.filter(Boolean).join(" · "));
    notes.hidden = !notes.textContent;
  };
  context.watch(["text", "attention"], () => {
    compute();
    text.layout();
  });
  context.watch(["attention", "rollout", "head", "combine", "direction", "token", "text", "photo"], repaint);
  context.watch(["token"], () => {
    const token = context.get("token");
    if (token !== null) text.reveal(token);
  });
  scene.selected.onHover(repaint);
  scene.photo.onLoad(repaint);
  context.onTheme(repaint);
  const tools = toolbar([!context.hides("direction") && direction, edit.button]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    edit.field,
    text.element,
    canvas,
    reading,
    notes,
  );
}
