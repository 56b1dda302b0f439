// The selected unit's number, to type or to step.

import type { Context } from "../model/context.ts";
import type { Scene } from "../model/scene.ts";
import { h } from "./dom.ts";
import { t } from "./text.ts";

export function unitNumber(context: Context, scene: Scene): HTMLElement {
  const number = h("input", { type: "number", min: 0, step: 1, "aria-label": t("unit"), class: "nn-short" });
  context.listen(number, "change", () => {
    // The nearest there is: a field that shows another unit than the view would be wrong.
    const most = (scene.layer.mosaic?.units ?? 1) - 1;
    const unit = Math.min(most, Math.max(0, Math.round(Number(number.value) || 0)));
    number.value = String(unit);
    context.set({ unit, position: null });
  });
  context.watch(["unit", "mosaic"], () => {
    number.value = String(context.get("unit"));
    number.max = String((scene.layer.mosaic?.units ?? 1) - 1);
  });
  return h("label", { class: "nn-control" }, t("unit"), number);
}
