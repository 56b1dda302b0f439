import { call, displayOptions, occluderOptions, targetOption } from "../../shell/code.ts";
import { type Keys, pane, stack, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { occlusionMapPane } from "./occlusion_map.ts";
import { photoPane } from "./photo.ts";
import { sizeCurvePane } from "./size_curve.ts";

export const KEYS: Keys = [
  ["photograph: arrows", "move the occluder"],
  ["photograph: click", "pin the occluder, or release it"],
  ["photograph: Esc", "remove the occluder, or end painting"],
  ["painting: arrows", "move the brush; with Shift it paints, and Space paints where it is"],
  ["occlusion map: arrows", "step through the positions"],
  ["occlusion map: click, Enter", "pin the occluder there, or release it"],
];

export default view({
  name: "occlusion",
  rows: [
    [
      pane("photo", "photograph with an occluder", photoPane),
      pane("occlusion_map", "occlusion map", occlusionMapPane),
      stack(
        pane("bars", "most probable classes", barsPane),
        pane("size_curve", "scores by the occluder's size", sizeCurvePane),
      ),
    ],
  ],
  keys: KEYS,
  code: (context, scene) =>
    call(context, "occlusion", [targetOption(context, scene), ...occluderOptions(context), ...displayOptions(context)]),
});
