import { call } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { stillPhotoPane } from "../../ui/still_photo.ts";
import { t } from "../../ui/text.ts";
import { adversarialPane, borderPane } from "./border.ts";
import { growthPane } from "./growth.ts";
import { stretchPane } from "./stretch.ts";
import { surrogatesPane } from "./surrogates.ts";

export default view({
  name: "sensitivity",
  rows: [
    [
      stack(
        pane("photo", () => t("photograph"), stillPhotoPane),
        pane("bars", () => t("most probable classes"), barsPane),
      ),
      stack(
        pane("growth", () => t("how small changes grow"), growthPane),
        pane("stretch", () => t("stretch per layer"), stretchPane),
      ),
    ],
    [
      pane("adversarial", () => t("the nearest image of another class"), adversarialPane),
      pane("border", () => t("how far to another class"), borderPane),
      pane("surrogates", () => t("predicting it in another way"), surrogatesPane),
    ],
  ],
  keys: () => [],
  code: (context) => call(context, "sensitivity", [`weight_scale=${context.get("weight_scale")}`]),
});
