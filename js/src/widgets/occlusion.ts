import { barsPane } from "../panes/bars.ts";
import { curvePane } from "../panes/curve.ts";
import { part, widget } from "../panes/frame.ts";
import { heatmapPane } from "../panes/heatmap.ts";
import { photoPane } from "../panes/photo.ts";
import { OCCLUSION_KEYS } from "./keys.ts";

export default {
  render: widget(
    "occlusion",
    "occlusion",
    [
      [
        part("photo", "photograph with an occluder", photoPane),
        part("bars", "most probable classes", barsPane),
        part("curve", "scores by the occluder's size", curvePane),
      ],
      [part("map", "occlusion map", heatmapPane)],
    ],
    OCCLUSION_KEYS,
  ),
};
