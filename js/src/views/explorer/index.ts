import { call, displayOptions, layerOptions, occluderOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { t } from "../../ui/text.ts";
import { activationsKeys } from "../activations/index.ts";
import { layersPane } from "../activations/layers.ts";
import { mosaicPane } from "../activations/mosaic.ts";
import { unitPane } from "../activations/unit.ts";
import { occlusionKeys } from "../occlusion/index.ts";
import { occlusionMapPane } from "../occlusion/occlusion_map.ts";
import { photoPane } from "../occlusion/photo.ts";
import { sizeCurvePane } from "../occlusion/size_curve.ts";
import { cardButton, cardPane } from "./card.ts";

export default view({
  name: "explorer",
  rows: [
    [
      pane("photo", () => t("photograph with an occluder"), photoPane),
      pane("occlusion_map", () => t("occlusion map"), occlusionMapPane),
      stack(
        pane("bars", () => t("most probable classes"), barsPane),
        pane("size_curve", () => t("scores by the occluder's size"), sizeCurvePane),
      ),
      pane(
        "unit",
        () => t("selected unit"),
        (context, scene) => unitPane(context, scene, cardButton(context)),
      ),
    ],
    [pane("layers", () => t("layer picker"), layersPane), pane("mosaic", () => t("activation mosaic"), mosaicPane)],
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
