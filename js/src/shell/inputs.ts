// What a model is given where that is more than one image, and what it makes of it beside scores. Their module is sent where
// it is needed.

import type { Context } from "../model/context.ts";
import type { Scene } from "../model/scene.ts";
import { h } from "../ui/dom.ts";
import type { Pane } from "./frame.ts";

/** Import a module that a trait holds, and give its default export; null where the view has ended. */
export async function imported(context: Context, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    const module = await import(/* a module of ours, from a trait */ url);
    return context.stopped ? null : module.default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** What the model is given: above all others. */
function inputs(context: Context, scene: Scene): HTMLElement | null {
  if (context.hides("inputs")) return null;
  const place = h("div", { hidden: true });
  let rendered = false;
  context.watch(["inputs_module"], async () => {
    const text = context.find("inputs_module");
    if (rendered || !text) return;
    rendered = true;
    const panes = (await imported(context, text))?.renderInputs(context, scene);
    if (!panes) return;
    place.replaceWith(...panes.given);
    context.root.querySelector(".nn-results")?.replaceWith(...panes.results);
  });
  return place;
}

export const inputsRow: Pane[] = [inputs];

/** Where the panes of what a model makes of its input have their place, if it makes more than scores. */
export const resultPanes: Pane = () => h("div", { class: "nn-results", hidden: true });
