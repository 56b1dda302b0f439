// The panes of an experiment, for every view that shows one.

import { type Pane, pane, stack } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { t } from "../../ui/text.ts";
import { occlusionMapPane } from "./occlusion_map.ts";
import { photoPane } from "./photo.ts";
import { sizeCurvePane } from "./size_curve.ts";

/** The photograph, the map and the scores of an experiment, side by side. */
export const experimentPanes: Pane[] = [
  pane("photo", () => t("photograph with an occluder"), photoPane),
  pane("occlusion_map", () => t("occlusion map"), occlusionMapPane),
  stack(
    pane("bars", () => t("most probable classes"), barsPane),
    pane("size_curve", () => t("scores by the occluder's size"), sizeCurvePane),
  ),
];
