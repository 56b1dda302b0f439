// The largest eigenvalues of the loss's Hessian, beside the bound of gradient descent.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, say } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

export function curvaturePane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("sharpness"));
  title.title = t("the largest eigenvalues of the loss's second derivatives by the weights, by Lanczos' method");
  const about = h("div", { class: "nn-answer", "aria-live": "off" });
  const others = h("div", { class: "nn-soft" });
  context.watch(["curvature"], () => {
    const found = context.get("curvature");
    say(about, found ? found.words : t("being computed"));
    const values = found?.values.slice(1).map((value) => short(value)) ?? [];
    const rest = values.length ? t("the next ones: {values}", { values: values.join(", ") }) : "";
    say(others, found?.running ? t("{words} (not settled yet)", { words: rest }) : rest);
  });
  return h("div", {}, title, about, others);
}
