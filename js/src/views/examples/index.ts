import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { unitNumber } from "../../ui/unit_number.ts";
import { layersPane } from "../activations/layers.ts";
import { examplesPane } from "./examples.ts";

export default view({
  name: "examples",
  rows: [
    [
      pane("layers", "layer picker", layersPane),
      pane("examples", "examples of the unit", (context, scene) =>
        examplesPane(context, scene, context.hides("number") ? null : unitNumber(context, scene)),
      ),
    ],
  ],
  keys: [
    ["layers: ↑ ↓", "choose an operation"],
    ["unit: ↑ ↓", "the next unit"],
  ],
  code: (context) => {
    const layers = (context.get("search")?.layers ?? []).map(quoted).join(", ");
    return `view = lens.examples(dataset, layers=[${layers}])`;
  },
});
