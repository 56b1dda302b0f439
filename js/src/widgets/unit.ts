import { ablationPane } from "../panes/ablation.ts";
import { barsPane } from "../panes/bars.ts";
import { examplesPane } from "../panes/examples.ts";
import { inputPane } from "../panes/input.ts";
import { layersPane } from "../panes/layers.ts";
import { pixelsPane } from "../panes/pixels.ts";
import { synthesisPane } from "../panes/synthesis.ts";
import { unitPane } from "../panes/unit.ts";
import { wiringPane } from "../panes/wiring.ts";
import { grid, inside, part, widget } from "../panes/frame.ts";
import { UNIT_KEYS } from "./keys.ts";

const pixels = part("pixels", "back to the pixels", pixelsPane);
const examples = part("examples", "images of the unit", examplesPane);
const synthesis = part("synthesis", "synthesised image", synthesisPane);
const wiring = part("wiring", "what feeds the unit and what it feeds", wiringPane);
const ablation = part("ablation", "the scores without the unit", ablationPane);

export default {
  render: widget(
    "unit",
    "unit",
    [
      [part("input", "what the network is shown", inputPane), part("bars", "most probable classes", barsPane), part("layers", "layer picker", layersPane)],
      [part("unit", "selected unit", unitPane), ablation],
      [pixels, synthesis],
    ],
    UNIT_KEYS,
    [grid("wide", [[examples], [wiring]])],
  ),
  /** The card alone, inside another view of the same model. */
  renderCard: inside([grid("card", [[pixels, ablation], [examples], [synthesis]]), grid("wide", [[wiring]])]),
};
