// Does the cell matter? The loss, and what the model writes, with the cell held at a value.

import { Square } from "lucide";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { cellsOf } from "../../model/tokens.ts";
import { iconButton, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { fixed, percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const STEPS = 100;

export function holdPane(context: Context, _scene: Scene): HTMLElement {
  const slider = h("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": t("hold the cell at") });
  const value = h("span", { class: "nn-number" });
  const release = h("button", { type: "button", onclick: () => context.set({ hold_at: null }) }, t("let it go"));
  const write = h("button", { type: "button", onclick: () => context.request("write") }, t("let the model write"));
  const words = h("div", { class: "nn-soft" });
  const progress = h("progress", { max: 1, hidden: true });
  const stop = iconButton(Square, t("stop"), () => context.request("cancel"));
  const samples = h("div", { class: "nn-samples" });
  for (const control of [slider, release, write]) {
    control.disabled = !context.live;
    if (!context.live) control.title = needsKernel();
  }
  /** The values that the cell takes on this text, and as much again beyond them. */
  const range = (): [number, number] => {
    const cells = cellsOf(context.get("cells"));
    const unit = context.get("unit");
    if (!cells || unit >= cells.count) return [-1, 1];
    const [low, high] = [cells.low[unit], cells.high[unit]];
    const spare = (high - low) / 2;
    return cells.kind === "gate" ? [0, 1] : [low - spare, high + spare];
  };
  const asked = () => range()[0] + (Number(slider.value) / STEPS) * (range()[1] - range()[0]);
  context.listen(slider, "input", () => say(value, short(asked())));
  context.listen(slider, "change", () => context.set({ hold_at: asked() }));
  const draw = () => {
    const held = context.get("hold_at");
    const [low, high] = range();
    slider.value = String(Math.round((((held ?? 0) - low) / (high - low || 1)) * STEPS));
    say(value, held === null ? t("free") : short(held));
    release.disabled = !context.live || held === null;
    write.disabled = !context.live || held === null;
    const found = context.get("held_cell");
    const current = found?.layer === context.get("layer") && found.unit === context.get("unit");
    progress.hidden = !found || found.done >= 1 || !found.samples.length;
    progress.value = found?.done ?? 0;
    stop.hidden = progress.hidden || !context.live;
    samples.replaceChildren();
    if (!found || held === null) {
      say(words, context.live ? t("hold the cell at a value: the loss, and what the model writes, may change") : "");
      return;
    }
    const numbers = {
      clean: fixed(found.clean, 3),
      loss: fixed(found.loss, 3),
      share: percent(found.changed),
      bits: short(found.bits),
    };
    say(
      words,
      found.problem ||
        t(
          "loss {clean} → {loss} nats per token; another best prediction at {share} of the tokens; {bits} bits away",
          numbers,
        ),
    );
    words.classList.toggle("nn-stale", !current);
    for (const { held: isHeld, text } of found.samples)
      samples.append(
        h("div", { class: "nn-soft" }, isHeld ? t("held at {value}", { value: short(found.value) }) : t("as it is")),
        h("pre", { class: "nn-sample" }, text),
      );
  };
  context.watch(["hold_at", "held_cell", "layer", "unit", "cells"], draw);
  const tools = toolbar([h("label", { class: "nn-control nn-slider" }, slider, value), release, write]);
  return h(
    "div",
    {},
    h("div", { class: "nn-head" }, heading(t("does the cell matter?")), progress, stop),
    tools,
    words,
    samples,
  );
}
