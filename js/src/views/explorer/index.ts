import { call, displayOptions, layerOptions, occluderOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { inputsRow, resultPanes } from "../../shell/inputs.ts";
import { t } from "../../ui/text.ts";
import { activationsKeys } from "../activations/keys.ts";
import { layersPane } from "../activations/layers.ts";
import { mosaicPane } from "../activations/mosaic.ts";
import { unitPane } from "../activations/unit.ts";
import { occlusionKeys } from "../occlusion/keys.ts";
import { experimentPanes } from "../occlusion/panes.ts";
import { cardButton, cardPane } from "./card.ts";

export default view({
  name: "explorer",
  rows: [
    inputsRow,
    [
      ...experimentPanes,
      pane(
        "unit",
        () => t("selected unit"),
        (context, scene) => unitPane(context, scene, cardButton(context)),
      ),
    ],
    [
      resultPanes,
      pane("layers", () => t("layer picker"), layersPane),
      pane("mosaic", () => t("activation mosaic"), mosaicPane),
    ],
    [cardPane],
  ],
  keys: () => [...occlusionKeys(), ...activationsKeys()],
  code: (context, scene) =>
    call(context, "explore", [
      targetOption(context, scene),
      ...layerOptions(context),
      `sort=${quoted(context.get("sort"))}`,
      ...(context.get("card") ? ["card=True"] : []),
      ...occluderOptions(context),
      ...displayOptions(context),
    ]),
});
