import { quoted } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { betweenPane } from "./between.ts";
import { contourPane } from "./contour.ts";
import { curvaturePane } from "./curvature.ts";
import { surfacePane } from "./surface.ts";

export default view({
  name: "landscape",
  rows: [
    [
      pane("contour", () => t("loss around the weights"), contourPane),
      pane("surface", () => t("surface"), surfacePane),
      stack(
        pane("curvature", () => t("sharpness"), curvaturePane),
        pane("between", () => t("to the other model"), betweenPane),
      ),
    ],
  ],
  keys: () => [[t("surface: ← →"), t("turn it")]],
  code: (context) =>
    `view = lens.landscape(dataset, directions=${quoted(context.get("directions"))}, span=${context.get("span")})`,
});
