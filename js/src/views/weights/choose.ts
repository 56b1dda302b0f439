// The choice of the weight, as other views choose a layer.

import type { Context } from "../../model/context.ts";
import { choice } from "../../ui/controls.ts";
import { h } from "../../ui/dom.ts";
import { t } from "../../ui/text.ts";

export function weightChoice(context: Context): HTMLElement {
  const control = choice(t("layer"), [], (weight) => context.set({ weight, filter: 0 }));
  control.classList.add("nn-cut");
  const held = context.live ? null : (context.choices("weight") ?? []);
  context.watch(["weight_names", "weight"], () => {
    const chosen = context.get("weight");
    control.select.replaceChildren(
      ...context.get("weight_names").map(({ name, label, problem }) => {
        const option = h("option", { value: name, title: problem || label }, `${name} · ${label}`);
        option.disabled = Boolean(problem) || (held !== null && name !== chosen && !held.includes(name));
        return option;
      }),
    );
    control.select.value = chosen;
  });
  return control;
}
