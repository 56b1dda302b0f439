import { call, quoted } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { inputsRow, resultPanes } from "../../shell/inputs.ts";
import { barsPane } from "../../ui/bars.ts";
import { t } from "../../ui/text.ts";
import { controlsPane } from "./controls.ts";
import { evidencePane } from "./evidence.ts";
import { gridPane } from "./grid.ts";
import { surrogatePane, switchesPane } from "./superpixels.ts";

export default view({
  name: "attribution",
  rows: [
    inputsRow,
    [
      stack(
        pane("photo", () => t("photograph"), switchesPane),
        pane("bars", () => t("most probable classes"), barsPane),
      ),
      stack(
        pane("controls", () => t("methods and settings"), controlsPane),
        pane("grid", () => t("maps side by side"), gridPane),
      ),
    ],
    [resultPanes],
    [
      pane("evidence", () => t("evidence of the selected map"), evidencePane),
      pane("superpixels", () => t("contributions of the superpixels"), surrogatePane),
    ],
  ],
  keys: () => [
    [t("maps: arrows"), t("choose a method and a row")],
    [t("photograph: arrows"), t("choose a superpixel")],
    [t("photograph: Enter, or a click"), t("switch it off, or on again")],
    [t("photograph: Esc"), t("all superpixels on")],
  ],
  code: (context) => {
    const rows = context.get("rows");
    const targets = rows.some((row) => row.photo) ? [] : rows.map((row) => quoted(row.label));
    const options = [`methods=${JSON.stringify(context.get("methods"))}`];
    if (targets.length) options.push(`target=${targets.length > 1 ? `[${targets.join(", ")}]` : targets[0]}`);
    for (const name of ["samples", "segments", "width", "seed"] as const) options.push(`${name}=${context.get(name)}`);
    options.push(`segmentation=${quoted(context.get("segmentation"))}`);
    if (context.get("cam_layer")) options.push(`cam_layer=${quoted(context.get("cam_layer"))}`);
    return call(context, "attribution", options);
  },
});
