import { call, targetOption } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { stillPhotoPane } from "../../ui/still_photo.ts";
import { t } from "../../ui/text.ts";
import { linePane } from "./line.ts";
import { reachPane } from "./reach.ts";
import { weightsPane } from "./weights.ts";

export default view({
  name: "local_map",
  rows: [
    [
      stack(
        pane("photo", () => t("photograph"), stillPhotoPane),
        pane("bars", () => t("most probable classes"), barsPane),
      ),
      pane("weights_image", () => t("weights"), weightsPane),
      pane("reach", () => t("how far it holds"), reachPane),
    ],
    [pane("line", () => t("on the way to another image"), linePane)],
  ],
  keys: () => [[t("line: arrows"), t("move along the line")]],
  code: (context, scene) =>
    call(context, "local_map", [targetOption(context, scene), `map_of="${context.get("map_of")}"`]),
});
