import { call, displayOptions, layerOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { inputsRow, resultPanes } from "../../shell/inputs.ts";
import { t } from "../../ui/text.ts";
import { activationsKeys } from "./keys.ts";
import { layersPane } from "./layers.ts";
import { mosaicPane } from "./mosaic.ts";
import { unitPane } from "./unit.ts";

export default view({
  name: "activations",
  rows: [
    inputsRow,
    [
      pane("layers", () => t("layer picker"), layersPane),
      pane("mosaic", () => t("activation mosaic"), mosaicPane),
      pane("unit", () => t("selected unit"), unitPane),
    ],
    [resultPanes],
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
