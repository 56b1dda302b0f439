import { call, quoted } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { barsPane } from "../../ui/bars.ts";
import { controlsPane } from "./controls.ts";
import { evidencePane } from "./evidence.ts";
import { gridPane } from "./grid.ts";
import { surrogatePane, switchesPane } from "./superpixels.ts";

export default view({
  name: "attribution",
  rows: [
    [
      stack(pane("photo", "photograph", switchesPane), pane("bars", "most probable classes", barsPane)),
      stack(pane("controls", "methods and settings", controlsPane), pane("grid", "maps side by side", gridPane)),
    ],
    [
      pane("evidence", "evidence of the selected map", evidencePane),
      pane("superpixels", "contributions of the superpixels", surrogatePane),
    ],
  ],
  keys: [
    ["maps: arrows", "choose a method and a row"],
    ["photograph: arrows", "choose a superpixel"],
    ["photograph: Enter, or a click", "switch it off, or on again"],
    ["photograph: Esc", "all superpixels on"],
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
