import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { exponentsPane } from "./exponents.ts";
import { typingPane } from "./typing.ts";

export default view({
  name: "exponents",
  rows: [[pane("text", () => t("text"), typingPane), pane("exponents", () => t("Lyapunov exponents"), exponentsPane)]],
  keys: () => [],
  code: (context) =>
    `view = lens.exponents(${quoted(context.get("text")?.text ?? "")}, recurrent_layer=${quoted(context.get("recurrent_layer"))})`,
});
