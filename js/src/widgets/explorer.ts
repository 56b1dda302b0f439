import { barsPane } from "../panes/bars.ts";
import { cardPane } from "../panes/card.ts";
import { curvePane } from "../panes/curve.ts";
import { part, widget } from "../panes/frame.ts";
import { heatmapPane } from "../panes/heatmap.ts";
import { layersPane } from "../panes/layers.ts";
import { mosaicPane } from "../panes/mosaic.ts";
import { photoPane } from "../panes/photo.ts";
import { unitPane } from "../panes/unit.ts";
import { ACTIVATION_KEYS, OCCLUSION_KEYS } from "./keys.ts";

export default {
  render: widget(
    "explorer",
    "explore",
    [
      [
        part("photo", "photograph with an occluder", photoPane),
        part("bars", "most probable classes", barsPane),
        part("curve", "scores by the occluder's size", curvePane),
      ],
      [part("layers", "layer picker", layersPane), part("unit", "selected unit", unitPane)],
      [part("mosaic", "activation mosaic", mosaicPane), part("map", "occlusion map", heatmapPane)],
    ],
    [...OCCLUSION_KEYS, ...ACTIVATION_KEYS],
    [cardPane],
  ),
};
