// The loss on the straight line to another model.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { plotBox } from "../../ui/plot.ts";

export function betweenPane(context: Context, _scene: Scene): HTMLElement {
  const box = plotBox(context);
  const about = h("div", { class: "nn-answer" });
  const stage = h("div", {}, box.element, about);
  const body = h("div", {}, stage);
  let width = 320;
  const draw = () => {
    const found = context.get("between");
    body.hidden = !found;
    if (!found) return;
    box.show(found, Math.min(width, 640), 200);
    say(about, context.get("between_words"));
  };
  context.watch(["between", "between_words"], draw);
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = Math.max(200, stage.clientWidth);
    draw();
  });
  return body;
}
