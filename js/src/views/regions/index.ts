import { pane, stack, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { herePane } from "./here.ts";
import { planePane } from "./plane.ts";
import { trainingPane } from "./training.ts";

export default view({
  name: "regions",
  rows: [
    [
      pane("plane", () => t("linear pieces"), planePane),
      stack(
        pane("here", () => t("at a point"), herePane),
        pane("training", () => t("training a copy"), trainingPane),
      ),
    ],
  ],
  keys: () => [
    [t("plane: arrows"), t("move the part that is shown")],
    ["+ −", t("enlarge, show more")],
  ],
  code: (context) => {
    const points = context.get("points");
    const given = points?.names.length ? "images=images" : points?.places.byteLength ? "points, labels" : "";
    const box = context.get("box").map((side) => `(${side.map((end) => Number(end.toPrecision(4))).join(", ")})`);
    return `view = lens.regions(${[given, `box=(${box.join(", ")})`].filter(Boolean).join(", ")})`;
  },
});
