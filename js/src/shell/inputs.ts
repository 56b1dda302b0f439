// The row above all others, of views that look at an input: what the model is given. Its module is sent where it is needed.

import type { Context, TraitName } from "../model/context.ts";
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

// The payloads of its panes.
const SHOWN_BY: TraitName[] = [
  ...(["slices", "class_map", "channel_scores", "bands"] as const),
  ...(["boxes", "made_picture", "neighbours", "volume"] as const),
];

function inputs(context: Context, scene: Scene): HTMLElement | null {
  if (context.hides("inputs")) return null;
  const body = h("div", { class: "nn-panes nn-given", hidden: true });
  let rendered = false;
  context.watch(["inputs_module"], async () => {
    const text = context.find("inputs_module");
    if (rendered || !text) return;
    rendered = true;
    const module = await imported(context, text);
    body.append(...(module?.renderInputs(context, scene) ?? []));
  });
  context.watch(["inputs", ...SHOWN_BY], () => {
    body.hidden = !context.find("inputs")?.length && !SHOWN_BY.some((name) => context.find(name));
  });
  return body;
}

export const inputsRow: Pane[] = [inputs];
