import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { call, displayOptions, layerOptions, quoted, targetOption } from "../../shell/code.ts";
import { grid, pane, view } from "../../shell/frame.ts";
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
  columns: [
    [
      pane("input", "what the network is shown", inputPane),
      pane("bars", "most probable classes", barsPane),
      pane("layers", "layer picker", layersPane),
    ],
    [pane("unit", "selected unit", unitPane), ablation],
    [backProjection, synthesis],
  ],
  below: [grid("wide", [[examples], [connections]])],
  keys: [
    ["picture: click", "choose the position of the unit's map that sees it"],
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
  const panes = [grid("card", [[backProjection, ablation], [examples], [synthesis]]), grid("wide", [[connections]])];
  return panes.map((make) => make(context, scene));
}

export default { ...unit, renderCard };
