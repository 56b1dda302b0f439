import { pane, stack, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { codePane } from "./code.ts";
import { curvePane } from "./curve.ts";
import { formulaPane } from "./formula.ts";
import { inputsPane } from "./inputs.ts";

export default view({
  name: "formula",
  rows: [
    [
      pane("formula", () => t("formula"), formulaPane),
      stack(
        pane("inputs", () => t("inputs and outputs"), inputsPane),
        pane("curve", () => t("outputs over one input"), curvePane),
      ),
    ],
    [pane("formula_code", () => t("to copy"), codePane)],
  ],
  keys: () => [],
  code: (context) => {
    const at = context.get("inputs_at").map((value) => Number(value.toPrecision(4)));
    const options = [`digits=${context.get("digits")}`];
    if (context.get("form") !== "layers") options.push(`form="${context.get("form")}"`);
    return `view = lens.formula([${at.join(", ")}], ${options.join(", ")})`;
  },
});
