import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { unitNumber } from "../../ui/unit_number.ts";
import { layersPane } from "../activations/layers.ts";
import { examplesPane } from "./examples.ts";

export default view({
  name: "examples",
  columns: [
    [pane("layers", "layer picker", layersPane)],
    [
      pane("examples", "examples of the unit", (context, scene) => {
        const made = examplesPane(context, scene);
        if (!context.hides("number")) made.prepend(unitNumber(context, scene));
        return made;
      }),
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
