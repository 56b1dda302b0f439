import { call, displayOptions, occluderOptions, targetOption } from "../../shell/code.ts";
import { type Keys, type Pane, pane, stack, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { t } from "../../ui/text.ts";
import { occlusionMapPane } from "./occlusion_map.ts";
import { photoPane } from "./photo.ts";
import { sizeCurvePane } from "./size_curve.ts";

export const occlusionKeys = (): Keys => [
  [t("photograph: arrows"), t("move the occluder")],
  [t("photograph: click"), t("pin the occluder, or release it")],
  [t("photograph: Esc"), t("remove the occluder, or end painting")],
  [t("painting: arrows"), t("move the brush; with Shift it paints, and Space paints where it is")],
  [t("occlusion map: arrows"), t("step through the positions")],
  [t("occlusion map: click, Enter"), t("pin the occluder there, or release it")],
];

/** The photograph, the map and the scores of an experiment, side by side. */
export const experimentPanes: Pane[] = [
  pane("photo", () => t("photograph with an occluder"), photoPane),
  pane("occlusion_map", () => t("occlusion map"), occlusionMapPane),
  stack(
    pane("bars", () => t("most probable classes"), barsPane),
    pane("size_curve", () => t("scores by the occluder's size"), sizeCurvePane),
  ),
];

export default view({
  name: "occlusion",
  rows: [experimentPanes],
  keys: occlusionKeys,
  code: (context, scene) =>
    call(context, "occlusion", [targetOption(context, scene), ...occluderOptions(context), ...displayOptions(context)]),
});
