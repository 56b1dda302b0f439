import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { plotsPane } from "./plots.ts";
import { theoryPane } from "./theory.ts";

export default view({
  name: "theory",
  rows: [[pane("theory", () => t("theory"), theoryPane)], [pane("plots", () => t("charts"), plotsPane)]],
  keys: () => [[t("slider: ← →"), t("another value")]],
  code: (context) => {
    const chosen = context.get("theory_settings");
    return `view = nnlens.theory(${[quoted(context.get("theory")), chosen && `settings=${chosen}`].filter(Boolean).join(", ")})`;
  },
});
