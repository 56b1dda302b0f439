// The text that drives the network, to read and to change.

import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, say } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

const PAUSE = 400;

export function typingPane(context: Context, _scene: Scene): HTMLElement {
  const field = h("textarea", { class: "nn-code nn-typing", rows: 10, spellcheck: false, "aria-label": t("text") });
  const count = h("div", { class: "nn-soft" });
  field.readOnly = !context.live || context.hides("edit");
  if (!context.live) field.title = needsKernel();
  let waiting: ReturnType<typeof setTimeout> | undefined;
  context.listen(field, "input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => field.value && context.set({ typed: { text: field.value } }, false), PAUSE);
  });
  context.onStop(() => clearTimeout(waiting));
  context.watch(["text", "exponents"], () => {
    const text = context.get("text")?.text ?? "";
    if (document.activeElement !== field) field.value = text;
    const steps = context.get("exponents")?.steps ?? 0;
    say(count, steps ? plural("mean over {count} token", "mean over {count} tokens", steps) : "");
  });
  return h("div", {}, heading(t("text")), field, count);
}
