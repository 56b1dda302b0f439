import { controlsPane } from "../panes/attribution_controls.ts";
import { attributionsPane } from "../panes/attributions.ts";
import { barsPane } from "../panes/bars.ts";
import { evidencePane } from "../panes/evidence.ts";
import { grid, part, widget } from "../panes/frame.ts";
import { surrogatePane, switchesPane } from "../panes/superpixels.ts";
import { ATTRIBUTION_KEYS } from "./keys.ts";

export default {
  render: widget(
    "attribution",
    "attribution",
    [
      [part("photo", "photograph", switchesPane), part("bars", "most probable classes", barsPane)],
      [part("controls", "what is compared", controlsPane), part("grid", "maps side by side", attributionsPane)],
    ],
    ATTRIBUTION_KEYS,
    [
      grid("wide", [
        [part("evidence", "evidence of the selected map", evidencePane)],
        [part("superpixels", "what the superpixels do", surrogatePane)],
      ]),
    ],
  ),
};
