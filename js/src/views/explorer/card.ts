// The unit card inside another view: unfolded on demand, its module is sent when it is first opened.

import { PanelBottomOpen } from "lucide";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { imported } from "../../shell/inputs.ts";
import { toggle } from "../../ui/controls.ts";
import { h } from "../../ui/dom.ts";
import { t } from "../../ui/text.ts";

/** The button that opens the card and closes it, where there is a card to open. */
export function cardButton(context: Context): HTMLElement[] {
  if (context.hides("card") || !(context.live || context.get("card_module"))) return [];
  const open = toggle(t("unit card"), (on) => context.set({ card: on }), PanelBottomOpen);
  open.title = t("unit card: back-projection, examples, synthesis, connections and ablation of the selected unit");
  context.watch(["card"], () => open.on(context.get("card")));
  return [open];
}

export function cardPane(context: Context, scene: Scene): HTMLElement {
  const body = h("div", { class: "nn-card" });
  let rendered = false;
  context.watch(["card", "card_module"], async () => {
    const on = context.get("card");
    body.hidden = !on;
    const text = context.get("card_module");
    if (!on || rendered || !text) return;
    rendered = true;
    try {
      const module = await imported(context, text);
      if (module) body.append(...module.renderCard(context, scene));
    } catch (error) {
      rendered = false;
      context.fail(t("could not open the unit card: {error}", { error: String(error) }));
    }
  });
  return body;
}
