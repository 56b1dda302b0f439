// The unit card inside another view: unfolded on demand, its module is sent when it is first opened.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, toggle } from "../../ui/dom.ts";

export function cardPane(context: Context, scene: Scene): HTMLElement {
  const body = h("div", { class: "nn-card-body" });
  const open = toggle("unit card", (on) => context.set({ card: on }));
  open.title = "back-projection, examples, synthesis, connections and ablation of the selected unit";
  const opens = !context.hides("card") && (context.live || context.get("card_module"));
  let rendered = false;
  context.watch(["card", "card_module"], async () => {
    const on = context.get("card");
    open.on(on);
    body.hidden = !on;
    const text = context.get("card_module");
    if (!on || rendered || !text) return;
    rendered = true;
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    try {
      const module = await import(/* the card's own module, from a trait */ url);
      if (context.stopped) return;
      body.append(...module.default.renderCard(context, scene));
    } catch (error) {
      rendered = false;
      context.set({ error: { message: `could not open the unit card: ${error}`, traceback: "" } });
    } finally {
      URL.revokeObjectURL(url);
    }
  });
  return h(
    "div",
    { class: "nn-card", hidden: !opens && !context.get("card") },
    opens ? h("div", { class: "nn-row" }, open) : null,
    body,
  );
}
