import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { chartPane } from "./chart.ts";
import { resultsPane } from "./results.ts";

export default view({
  name: "replacements",
  rows: [
    [
      pane("chart", () => t("accuracy against cost"), chartPane),
      pane("results", () => t("table of replacements"), resultsPane),
    ],
  ],
  keys: () => [],
  code: (context) => `view = lens.replacements(${quoted(context.get("weight"))}, dataset, loss=${context.get("loss")})`,
});
