// The best prediction at each state and token: states upwards, tokens to the right; only what is seen is drawn.

import { colorOf, css, inkOn, type Limits } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import type { Context } from "../../model/context.ts";
import { type Depths, depthsOf, visible } from "../../model/lens.ts";
import type { Scene } from "../../model/scene.ts";
import { tokensOf } from "../../model/tokens.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { share, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { editor } from "../cells/text.ts";

const ROW = 18;
const COLUMN = 72;
const NAMES = 120;

/** The token that is looked at. */
export function lookedAt(context: Context, scene: Scene, depths: Depths): number {
  const token = scene.selected.hover?.[1] ?? context.get("token") ?? depths.positions - 1;
  return Math.min(depths.positions - 1, Math.max(0, token));
}

/** The name of a state: its block, without what all have in common. */
export function stateName(layer: string): string {
  return layer.length > 18 ? `…${layer.slice(-17)}` : layer;
}

export function lensPane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("what each state would predict"));
  const canvas = h("canvas", { class: "nn-sticky", tabindex: 0, role: "application" });
  const space = h("div", { class: "nn-wide" });
  const box = h("div", { class: "nn-scroll nn-lens" }, canvas, space);
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow", "aria-live": "polite" });
  const notes = h("div", { class: "nn-note", hidden: true });
  const scale = legend();
  const edit = editor(context);
  let width = 400;

  const coloured = choice(
    t("colour"),
    [
      ["probability", t("probability")],
      ["rank", t("rank of the model's answer")],
      ["bits", t("bits away")],
    ],
    (value) => context.set({ color_by: value }),
  );
  /** The number that colours a cell, within its limits. */
  const measure = (depths: Depths, state: number, position: number): number => {
    const by = context.get("color_by");
    if (by === "probability") return depths.probability(state, position, 0);
    if (by === "rank") return Math.log10(depths.rank(state, position));
    return depths.bits(state, position);
  };
  const limits = (depths: Depths): Limits => {
    if (context.get("color_by") === "probability") return [0, 1];
    let most = 0;
    for (let state = 0; state < depths.states; state++)
      for (let position = 0; position < depths.positions; position++)
        most = Math.max(most, measure(depths, state, position));
    return [0, most || 1];
  };
  const draw = () => {
    const depths = depthsOf(context);
    if (!depths) return;
    const tokens = tokensOf(context.get("text"));
    const height = (depths.states + 1) * ROW;
    space.style.width = `${NAMES + depths.positions * COLUMN}px`;
    const pen = sized(canvas, width, height);
    canvas.style.width = `${width}px`;
    const range = limits(depths);
    const table = scene.table(range);
    pen.textBaseline = "middle";
    pen.font = "11px ui-monospace, monospace";
    const first = Math.max(0, Math.floor(box.scrollLeft / COLUMN));
    const last = Math.min(depths.positions - 1, Math.ceil((box.scrollLeft + width) / COLUMN));
    const x = (position: number) => NAMES + position * COLUMN - box.scrollLeft;
    const clipped = (text: string, left: number, top: number, color: string) => {
      pen.save();
      pen.beginPath();
      pen.rect(left, top, COLUMN - 2, ROW);
      pen.clip();
      pen.fillStyle = color;
      pen.fillText(text, left + 3, top + ROW / 2);
      pen.restore();
    };
    for (let position = first; position <= last; position++) {
      for (let state = 0; state < depths.states; state++) {
        const top = (depths.states - 1 - state) * ROW;
        const color = colorOf(measure(depths, state, position), range, table);
        pen.fillStyle = css(color);
        pen.fillRect(x(position), top, COLUMN - 1, ROW - 1);
        clipped(visible(depths.word(state, position, 0)), x(position), top, inkOn(color));
      }
      const name = tokens?.count === depths.positions ? tokens.piece(position) : String(position);
      clipped(visible(name), x(position), depths.states * ROW, context.color("--nn-ink"));
    }
    const chosen = lookedAt(context, scene, depths);
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 2;
    pen.strokeRect(x(chosen), 1, COLUMN - 1, height - 2);
    pen.fillStyle = context.color("--nn-paper");
    pen.fillRect(0, 0, NAMES, height);
    pen.fillStyle = context.color("--nn-dim");
    for (let state = 0; state < depths.states; state++)
      pen.fillText(stateName(depths.payload.layers[state]), 0, (depths.states - 1 - state) * ROW + ROW / 2);
    pen.fillText(t("the text"), 0, depths.states * ROW + ROW / 2);
    const by = context.get("color_by");
    const unit = { probability: t("probability of the word"), rank: t("log10 of the rank"), bits: t("bits") }[by];
    scale.show(range, table, unit);
  };
  const words = (depths: Depths, state: number, position: number) => {
    const { k, layers } = depths.payload;
    const best = Array.from({ length: k }, (_, place) => {
      const word = JSON.stringify(depths.word(state, position, place)).slice(1, -1);
      return `“${word}” ${share(depths.probability(state, position, place))}`;
    });
    return t("{layer}: {words}; the model's answer has rank {rank}, {bits} bits away", {
      layer: layers[state],
      words: best.join(", "),
      rank: depths.rank(state, position),
      bits: short(depths.bits(state, position)),
    });
  };
  const at = (event: MouseEvent) => {
    const depths = depthsOf(context);
    if (!depths) return null;
    const edge = canvas.getBoundingClientRect();
    const position = Math.floor((event.clientX - edge.left - NAMES + box.scrollLeft) / COLUMN);
    const state = depths.states - 1 - Math.floor((event.clientY - edge.top) / ROW);
    if (event.clientX - edge.left < NAMES || position < 0 || position >= depths.positions) return null;
    return { depths, position, state };
  };
  context.listen(canvas, "pointermove", (event) => {
    const found = at(event);
    scene.selected.hover = found ? [0, found.position] : null;
    say(reading, found && found.state >= 0 ? words(found.depths, found.state, found.position) : "");
  });
  context.listen(canvas, "pointerleave", () => {
    scene.selected.hover = null;
    say(reading, "");
  });
  context.listen(canvas, "click", (event) => {
    const found = at(event);
    if (found) context.set({ token: found.position });
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const depths = depthsOf(context);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!depths || !by) return;
    event.preventDefault();
    const token = Math.min(depths.positions - 1, Math.max(0, lookedAt(context, scene, depths) + by));
    context.set({ token });
  });
  context.listen(box, "scroll", draw);
  context.watch(["logit_lens", "text", "color_by", "token"], draw);
  context.watch(["token", "logit_lens"], () => {
    const token = context.get("token");
    const depths = depthsOf(context);
    if (!depths) return;
    const left = (token ?? depths.positions - 1) * COLUMN;
    const room = width - NAMES;
    if (left < box.scrollLeft) box.scrollLeft = left;
    else if (left + COLUMN > box.scrollLeft + room) box.scrollLeft = left + COLUMN - room;
  });
  context.watch(["logit_lens", "color_by", "text"], () => {
    const depths = depthsOf(context);
    if (!depths) return;
    coloured.select.value = context.get("color_by");
    const { head, error } = depths.payload;
    const parts = [
      t("read by {head}; from the last state as the model itself (difference at most {error})", {
        head: head.join(" → "),
        error: error === 0 ? "0" : short(error, 1),
      }),
      ...(context.get("text")?.notes ?? []),
    ];
    say(notes, parts.join(" · "));
    notes.hidden = false;
    const names = { states: depths.states, positions: depths.positions };
    canvas.setAttribute("aria-label", t("predictions of {states} states at {positions} tokens", names));
  });
  scene.selected.onHover(draw);
  context.onTheme(draw);
  onResize(context, box, () => {
    width = box.clientWidth;
    draw();
  });
  const tools = toolbar([!context.hides("color") && coloured, edit.button]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    edit.field,
    box,
    h("div", { class: "nn-head" }, scale.element, reading),
    notes,
  );
}
