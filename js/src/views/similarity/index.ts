import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { matrixPane } from "./matrix.ts";
import { unitsPane } from "./units.ts";

export default view({
  name: "similarity",
  rows: [
    [
      pane("matrix", () => t("similarity of layers"), matrixPane),
      pane("units", () => t("units that differ most"), unitsPane),
    ],
  ],
  keys: () => [[t("table: ← ↑ → ↓"), t("another pair of layers")]],
  code: (context) =>
    `view = lens.similarity(other, images)\nview.changed_layer = ${quoted(context.get("changed_layer"))}`,
});
