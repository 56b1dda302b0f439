// Of several labels at once: the threshold from which one counts as there, in the pane of the classes.

import type { Context } from "../../model/context.ts";
import { meaningOf } from "../../model/meaning.ts";
import { h } from "../../ui/dom.ts";
import { t } from "../../ui/text.ts";

/** Adds the threshold to the bars of the classes, and marks those that are there. */
export function markLabels(context: Context): void {
  const pane = context.root.querySelector<HTMLElement>('[data-pane="bars"]');
  if (!pane) return;
  const limit = h("input", { type: "number", class: "nn-short", min: 0, max: 1, step: 0.05 });
  const threshold = h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, t("threshold")), limit);
  threshold.title = t("from this probability on a label counts as there");
  pane.append(h("div", { class: "nn-row" }, threshold));
  context.listen(limit, "change", () => {
    const value = limit.valueAsNumber;
    if (value >= 0 && value <= 1) context.set({ label_threshold: value });
    else limit.value = String(context.get("label_threshold"));
  });
  context.watch(["scores", "labels", "meaning", "label_threshold"], () => {
    const several = meaningOf(context).task === "multilabel";
    const least = context.get("label_threshold");
    threshold.hidden = !several;
    limit.value = String(least);
    pane.style.setProperty("--nn-threshold", several ? `${least * 100}%` : "-9px");
    const { probability } = context.get("scores");
    pane.querySelectorAll(".nn-bar > .nn-name").forEach((name, slot) => {
      name.classList.toggle("nn-on", several && (probability[slot] ?? 0) >= least);
    });
  });
}
