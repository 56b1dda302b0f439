import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { unitNumber } from "../../ui/unit_number.ts";
import { layersPane } from "../activations/layers.ts";
import { examplesPane } from "./examples.ts";

export default view({
  name: "examples",
  rows: [
    [
      pane("layers", () => t("layer picker"), layersPane),
      pane(
        "examples",
        () => t("examples of the unit"),
        (context, scene) =>
          examplesPane(
            context,
            scene,
            context.hides("number") ? null : unitNumber(context, () => scene.layer.mosaic?.units ?? 1, "mosaic"),
          ),
      ),
    ],
  ],
  keys: () => [
    [t("layers: ↑ ↓"), t("choose an operation")],
    [t("unit: ↑ ↓"), t("the next unit")],
  ],
  code: (context) => {
    const layers = (context.get("search")?.layers ?? []).map(quoted).join(", ");
    return `view = lens.examples(dataset, layers=[${layers}])`;
  },
});
