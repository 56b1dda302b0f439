import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { call, displayOptions, layerOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, rowsOf, view } from "../../shell/frame.ts";
import { inputsRow, resultPanes } from "../../shell/inputs.ts";
import { barsPane } from "../../ui/bars.ts";
import { t, useTexts } from "../../ui/text.ts";
import { layersPane } from "../activations/layers.ts";
import { unitPane } from "../activations/unit.ts";
import { examplesPane } from "../examples/examples.ts";
import { ablationPane } from "./ablation.ts";
import { backProjectionPane } from "./back_projection.ts";
import { connectionsPane } from "./connections.ts";
import { inputPane } from "./input.ts";
import { synthesisPane } from "./synthesis.ts";

const backProjection = pane("back_projection", () => t("back-projection to the pixels"), backProjectionPane);
const examples = pane("examples", () => t("examples of the unit"), examplesPane);
const synthesis = pane("synthesis", () => t("synthesis"), synthesisPane);
const connections = pane("connections", () => t("inputs and outputs of the unit"), connectionsPane);
const ablation = pane("ablation", () => t("the scores without the unit"), ablationPane);

const unit = view({
  name: "unit",
  rows: [
    inputsRow,
    [
      pane("input", () => t("what the network is shown"), inputPane),
      pane("unit", () => t("selected unit"), unitPane),
      backProjection,
      synthesis,
    ],
    [
      resultPanes,
      pane("layers", () => t("layer picker"), layersPane),
      examples,
      pane("bars", () => t("most probable classes"), barsPane),
    ],
    [connections, ablation],
  ],
  keys: () => [
    [t("picture: click"), t("choose the position of the unit's map that sees it")],
    [t("drawing: arrows"), t("move the pencil; with Shift it draws, and Space draws a dot")],
    [t("picture: Esc"), t("stop drawing, or clear the position")],
    [t("unit: arrows"), t("move the position")],
    [t("unit: o"), t("show the map over the photograph")],
    [t("layers: ↑ ↓"), t("choose an operation")],
    ["b", t("the next rule of back-projection")],
    ["d", t("keep this unit, or release it")],
    ["z", t("zoom to the receptive field, or back")],
  ],
  code: (context, scene) => {
    const position = context.get("position");
    return call(context, "unit", [
      targetOption(context, scene),
      ...layerOptions(context),
      `rule=${quoted(context.get("rule"))}`,
      ...(position ? [`position=(${position.join(", ")})`] : []),
      ...displayOptions(context),
    ]);
  },
});

/** The card alone, inside another view of the same model. */
function renderCard(context: Context, scene: Scene): HTMLElement[] {
  useTexts(context.get("language"), context.get("texts") ?? {}); // the card's module does not share those of the view
  return rowsOf(
    [
      [backProjection, synthesis, examples],
      [connections, ablation],
    ],
    context,
    scene,
  );
}

export default { ...unit, renderCard };
