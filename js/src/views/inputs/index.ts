// What a model is given, where that is more than one image, and what it makes of it beside scores of classes.
// Sent where it is needed.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { t, useTexts } from "../../ui/text.ts";
import { bandsPane } from "./bands.ts";
import { boxesPane } from "./boxes.ts";
import { channelsPane } from "./channels.ts";
import { classMapPane } from "./class_map.ts";
import { inputsPane } from "./inputs.ts";
import { markLabels } from "./labels.ts";
import { madePane } from "./made.ts";
import { neighboursPane } from "./neighbours.ts";
import { stretchTime } from "./time.ts";
import { volumePane } from "./volume.ts";

function renderInputs(context: Context, scene: Scene): Record<"given" | "results", HTMLElement[]> {
  useTexts(context.get("language"), context.get("texts") ?? {}); // this module does not share those of the view
  const named = (pane: HTMLElement, name: string, title: string) => {
    pane.classList.add("nn-pane");
    pane.dataset.pane = name;
    pane.setAttribute("role", "group");
    pane.setAttribute("aria-label", title);
    return pane;
  };
  stretchTime(context);
  markLabels(context);
  return {
    given: [named(inputsPane(context), "inputs", t("inputs")), named(bandsPane(context), "bands", t("bands"))],
    results: [
      named(volumePane(context, scene), "volume", t("volume")),
      named(channelsPane(context, scene), "channels", t("without a channel")),
      named(classMapPane(context, scene), "class_map", t("classes of the places")),
      named(boxesPane(context, scene), "boxes", t("boxes")),
      named(neighboursPane(context, scene), "neighbours", t("nearest neighbours")),
      named(madePane(context), "made", t("what the model makes")),
    ],
  };
}

export default { renderInputs };
