// What a model is given, where that is more than one image, and what it says of every place: sent where it is needed.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { t, useTexts } from "../../ui/text.ts";
import { channelsPane } from "./channels.ts";
import { classMapPane } from "./class_map.ts";
import { inputsPane } from "./inputs.ts";

function renderInputs(context: Context, scene: Scene): HTMLElement[] {
  useTexts(context.get("language"), context.get("texts") ?? {}); // this module does not share those of the view
  const named = (pane: HTMLElement, name: string, title: string) => {
    pane.classList.add("nn-pane");
    pane.dataset.pane = name;
    pane.setAttribute("role", "group");
    pane.setAttribute("aria-label", title);
    return pane;
  };
  return [
    named(inputsPane(context), "inputs", t("inputs")),
    named(channelsPane(context, scene), "channels", t("without a channel")),
    named(classMapPane(context, scene), "class_map", t("classes of the places")),
  ];
}

export default { renderInputs };
