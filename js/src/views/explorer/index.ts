import { call, displayOptions, layerOptions, occluderOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { KEYS as ACTIVATIONS_KEYS } from "../activations/index.ts";
import { layersPane } from "../activations/layers.ts";
import { mosaicPane } from "../activations/mosaic.ts";
import { unitPane } from "../activations/unit.ts";
import { KEYS as OCCLUSION_KEYS } from "../occlusion/index.ts";
import { occlusionMapPane } from "../occlusion/occlusion_map.ts";
import { photoPane } from "../occlusion/photo.ts";
import { sizeCurvePane } from "../occlusion/size_curve.ts";
import { cardButton, cardPane } from "./card.ts";

export default view({
  name: "explorer",
  rows: [
    [
      pane("photo", "photograph with an occluder", photoPane),
      pane("occlusion_map", "occlusion map", occlusionMapPane),
      stack(
        pane("bars", "most probable classes", barsPane),
        pane("size_curve", "scores by the occluder's size", sizeCurvePane),
      ),
      pane("unit", "selected unit", (context, scene) => unitPane(context, scene, cardButton(context))),
    ],
    [pane("layers", "layer picker", layersPane), pane("mosaic", "activation mosaic", mosaicPane)],
    [cardPane],
  ],
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
