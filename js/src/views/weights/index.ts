import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { chartsPane, findingsPane } from "./charts.ts";
import { tablePane } from "./table.ts";

export default view({
  name: "weights",
  rows: [
    [pane("table", () => t("statistics of all layers"), tablePane)],
    [pane("charts", () => t("charts of the layer"), chartsPane)],
    [pane("findings", () => t("what differs"), findingsPane)],
  ],
  keys: () => [[t("table: ↑ ↓"), t("choose a layer")]],
  code: (context) => {
    const against = context.get("against");
    return against === "initial" ? "view = lens.weights()" : `view = lens.weights(against=${against})`;
  },
});
