// What usually means that a training goes wrong.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { t, whole } from "../../ui/text.ts";

export function alarmsPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("alarms"));
  title.title = t("by rules of thumb: vanishing and exploding gradients, large steps, dead and saturated layers, NaN");
  const none = h("div", { class: "nn-soft nn-empty" }, t("nothing so far"));
  const list = h("ul", { class: "nn-remarks", "aria-live": "polite" });
  context.watch(["watched"], () => {
    const alarms = context.get("watched")?.alarms ?? [];
    none.hidden = alarms.length > 0;
    list.hidden = !alarms.length;
    list.replaceChildren(
      ...[...alarms]
        .reverse()
        .map(({ step, words }) =>
          h("li", {}, h("span", { class: "nn-soft" }, t("step {step}", { step: whole(step) })), " ", words),
        ),
    );
  });
  return h("div", {}, title, none, list);
}
