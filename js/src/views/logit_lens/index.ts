import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { agreementPane, ranksPane } from "./charts.ts";
import { lensPane } from "./lens.ts";

export default view({
  name: "logit_lens",
  rows: [
    [pane("lens", () => t("predictions by depth"), lensPane)],
    [
      pane("ranks", () => t("ranks over the depth"), ranksPane),
      pane("agreement", () => t("agreement with the model's answer"), agreementPane),
    ],
  ],
  keys: () => [[t("predictions: ← →"), t("choose a token")]],
  code: (context) => {
    const path = context.get("photo")?.path;
    const text = context.get("text")?.text;
    const shown = text ? quoted(text) : path ? quoted(path) : "image";
    const token = context.get("token");
    return `view = lens.logit_lens(${shown}${token === null ? "" : `, token=${token}`})`;
  },
});
