import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { call, displayOptions, layerOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, rowsOf, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { layersPane } from "../activations/layers.ts";
import { unitPane } from "../activations/unit.ts";
import { examplesPane } from "../examples/examples.ts";
import { ablationPane } from "./ablation.ts";
import { backProjectionPane } from "./back_projection.ts";
import { connectionsPane } from "./connections.ts";
import { inputPane } from "./input.ts";
import { synthesisPane } from "./synthesis.ts";

const backProjection = pane("back_projection", "back-projection to the pixels", backProjectionPane);
const examples = pane("examples", "examples of the unit", examplesPane);
const synthesis = pane("synthesis", "synthesis", synthesisPane);
const connections = pane("connections", "inputs and outputs of the unit", connectionsPane);
const ablation = pane("ablation", "the scores without the unit", ablationPane);

const unit = view({
  name: "unit",
  rows: [
    [
      pane("input", "what the network is shown", inputPane),
      pane("unit", "selected unit", unitPane),
      backProjection,
      synthesis,
    ],
    [pane("layers", "layer picker", layersPane), examples, pane("bars", "most probable classes", barsPane)],
    [connections, ablation],
  ],
  keys: [
    ["picture: click", "choose the position of the unit's map that sees it"],
    ["drawing: arrows", "move the pencil; with Shift it draws, and Space draws a dot"],
    ["picture: Esc", "stop drawing, or clear the position"],
    ["unit: arrows", "move the position"],
    ["unit: o", "show the map over the photograph"],
    ["layers: ↑ ↓", "choose an operation"],
    ["b", "the next rule of back-projection"],
    ["d", "keep this unit, or release it"],
    ["z", "zoom to the receptive field, or back"],
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
