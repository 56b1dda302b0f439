import { call, displayOptions, layerOptions, occluderOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { KEYS as ACTIVATIONS_KEYS } from "../activations/index.ts";
import { layersPane } from "../activations/layers.ts";
import { mosaicPane } from "../activations/mosaic.ts";
import { unitPane } from "../activations/unit.ts";
import { KEYS as OCCLUSION_KEYS } from "../occlusion/index.ts";
import { occlusionMapPane } from "../occlusion/occlusion_map.ts";
import { photoPane } from "../occlusion/photo.ts";
import { sizeCurvePane } from "../occlusion/size_curve.ts";
import { cardPane } from "./card.ts";

export default view({
  name: "explorer",
  columns: [
    [
      pane("photo", "photograph with an occluder", photoPane),
      pane("bars", "most probable classes", barsPane),
      pane("size_curve", "scores by the occluder's size", sizeCurvePane),
    ],
    [pane("layers", "layer picker", layersPane), pane("unit", "selected unit", unitPane)],
    [pane("mosaic", "activation mosaic", mosaicPane), pane("occlusion_map", "occlusion map", occlusionMapPane)],
  ],
  below: [cardPane],
  keys: [...OCCLUSION_KEYS, ...ACTIVATIONS_KEYS],
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
