// What the scores mean, in words, and the choice to read them in another way.

import type { Context } from "../model/context.ts";
import { meaningOf } from "../model/meaning.ts";
import type { Meaning } from "../model/traits.ts";
import { h, say } from "./dom.ts";

type Task = Meaning["task"];

const TASKS: Record<Task, string> = {
  multiclass: "one of several classes",
  multilabel: "several labels at once",
  binary: "yes or no",
  regression: "a quantity",
};

export function meaningRow(context: Context): HTMLElement {
  const words = h("span", { class: "nn-soft" });
  const task = h("select", { "aria-label": "what the scores mean" });
  const isProbability = h("input", { type: "checkbox" });
  const label = h("label", { class: "nn-control" }, isProbability, "outputs probabilities");
  label.title = "the model has applied its softmax or sigmoid already";
  const choices = h("span", { class: "nn-row" }, task, label);
  choices.hidden = !context.live || context.hides("meaning");
  context.listen(task, "change", () => context.set({ read_as: { task: task.value as Task, logits: null } }));
  context.listen(isProbability, "change", () =>
    context.set({ read_as: { task: meaningOf(context).task, logits: !isProbability.checked } }),
  );
  const row = h("div", { class: "nn-row" }, choices, words);
  context.watch(["meaning", "read_as"], () => {
    const meaning = meaningOf(context);
    const tasks = meaning.tasks ?? [];
    if ([...task.options].map((option) => option.value).join() !== tasks.join())
      task.replaceChildren(...tasks.map((value) => h("option", { value }, TASKS[value])));
    task.value = meaning.task ?? "";
    isProbability.checked = meaning.logits === false;
    label.hidden = meaning.task === "regression";
    const text = (meaning.words ?? "").replace(/^\w+: /, "");
    say(
      words,
      choices.hidden && meaning.task !== "multiclass" ? `${meaning.task ? TASKS[meaning.task] : ""}: ${text}` : "",
    );
    choices.title = `${meaning.words ?? ""} (${meaning.why ?? ""})`;
    words.title = choices.title;
    row.hidden = choices.hidden && !words.textContent;
  });
  return row;
}
