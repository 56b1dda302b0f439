// What the scores mean, in words, and the choice to read them in another way.

import type { Context } from "../model/context.ts";
import { meaningOf } from "../model/meaning.ts";
import type { Meaning } from "../model/traits.ts";
import { choice } from "./controls.ts";
import { h, say } from "./dom.ts";
import { t } from "./text.ts";

type Task = Meaning["task"];

function taskName(task: Task): string {
  return {
    multiclass: t("one of several classes"),
    multilabel: t("several labels at once"),
    binary: t("yes or no"),
    regression: t("a quantity"),
  }[task];
}

/** The words, where they are not those of every classifier, and the controls to read the scores in another way. */
export function meaningControls(context: Context): { words: HTMLElement; controls: HTMLElement[] } {
  const words = h("div", { class: "nn-soft" });
  const task = choice(t("the scores are"), [], (value: Task) =>
    context.set({ read_as: { task: value, logits: null } }),
  );
  task.select.setAttribute("aria-label", t("what the scores mean"));
  const isProbability = h("input", { type: "checkbox" });
  const label = h("label", { class: "nn-control" }, isProbability, t("outputs probabilities"));
  label.title = t("the model has applied its softmax or sigmoid already");
  context.listen(isProbability, "change", () =>
    context.set({ read_as: { task: meaningOf(context).task, logits: !isProbability.checked } }),
  );
  const controls = context.live && !context.hides("meaning") ? [task, label] : [];
  context.watch(["meaning", "read_as"], () => {
    const meaning = meaningOf(context);
    const tasks = meaning.tasks ?? [];
    if ([...task.select.options].map((option) => option.value).join() !== tasks.join())
      task.select.replaceChildren(...tasks.map((value) => h("option", { value }, taskName(value))));
    task.select.value = meaning.task ?? "";
    isProbability.checked = meaning.logits === false;
    label.hidden = meaning.task === "regression";
    const text = (meaning.words ?? "").replace(/^\w+: /, "");
    say(words, meaning.task && meaning.task !== "multiclass" ? `${taskName(meaning.task)}: ${text}` : "");
    task.title = words.title = `${meaning.words ?? ""} (${meaning.why ?? ""})`;
    words.hidden = !words.textContent;
  });
  return { words, controls };
}
