import { call, displayOptions, layerOptions, quoted, targetOption } from "../../shell/code.ts";
import { type Keys, pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { layersPane } from "./layers.ts";
import { mosaicPane } from "./mosaic.ts";
import { unitPane } from "./unit.ts";

export const activationsKeys = (): Keys => [
  [t("layers: ↑ ↓"), t("choose an operation")],
  [t("layers: ← →"), t("fold and unfold")],
  [t("layers: /"), t("type to filter")],
  [t("mosaic: arrows"), t("choose a unit")],
  [t("mosaic: Enter, or a double click"), t("open its unit card")],
  [t("unit: arrows"), t("move the position")],
  [t("unit: o"), t("show the map over the photograph")],
];

export default view({
  name: "activations",
  rows: [
    [
      pane("layers", () => t("layer picker"), layersPane),
      pane("mosaic", () => t("activation mosaic"), mosaicPane),
      pane("unit", () => t("selected unit"), unitPane),
    ],
  ],
  keys: activationsKeys,
  code: (context, scene) =>
    call(context, "activations", [
      targetOption(context, scene),
      ...layerOptions(context),
      `sort=${quoted(context.get("sort"))}`,
      ...displayOptions(context),
    ]),
});
