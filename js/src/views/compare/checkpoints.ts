// Which checkpoints of a training are compared: a slider for each side.

import { type Context, needsKernel } from "../../model/context.ts";
import { placeOf } from "../../model/training.ts";
import { h, say } from "../../ui/dom.ts";
import { t, whole } from "../../ui/text.ts";

export function checkpointsPane(context: Context): HTMLElement {
  const control = (name: "first_step" | "second_step", label: string) => {
    const slider = h("input", { type: "range", min: 0, step: 1 });
    const at = h("span", { class: "nn-soft nn-number" });
    const steps = () => context.get("compared_steps") ?? [];
    context.listen(slider, "change", () => context.set({ [name]: steps()[Number(slider.value)] }));
    context.watch([name, "compared_steps"], () => {
      slider.max = String(steps().length - 1);
      slider.value = String(placeOf(steps(), context.get(name)));
      slider.disabled = !context.live;
      if (!context.live) slider.title = needsKernel();
      say(at, t("step {step}", { step: whole(context.get(name)) }));
      slider.setAttribute("aria-valuetext", at.textContent);
    });
    return h("label", { class: "nn-control nn-wide" }, h("span", {}, label), slider, at);
  };
  const controls = [control("first_step", t("first side")), control("second_step", t("second side"))];
  const body = h("div", {}, h("div", { class: "nn-row" }, ...controls));
  context.watch(["compared_steps"], () => {
    body.hidden = !context.get("compared_steps")?.length;
  });
  return body;
}
