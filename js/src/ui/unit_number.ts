// The selected unit's number, to type or to step.

import type { Context, TraitName } from "../model/context.ts";
import { h } from "./dom.ts";
import { t } from "./text.ts";

/** `count` is how many units there are, which changes with the trait `of`. */
export function unitNumber(context: Context, count: () => number, of: TraitName, words = t("unit")): HTMLElement {
  const number = h("input", { type: "number", min: 0, step: 1, "aria-label": words, class: "nn-short" });
  context.listen(number, "change", () => {
    // The nearest there is: a field that shows another unit than the view would be wrong.
    const unit = Math.min(count() - 1, Math.max(0, Math.round(Number(number.value) || 0)));
    number.value = String(unit);
    context.set({ unit, position: null });
  });
  context.watch(["unit", of], () => {
    number.value = String(context.get("unit"));
    number.max = String(count() - 1);
  });
  return h("label", { class: "nn-control" }, words, number);
}
