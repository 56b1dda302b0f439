import { part, widget } from "../panes/frame.ts";
import { layersPane } from "../panes/layers.ts";
import { mosaicPane } from "../panes/mosaic.ts";
import { unitPane } from "../panes/unit.ts";
import { ACTIVATION_KEYS } from "./keys.ts";

export default {
  render: widget(
    "activations",
    "activations",
    [
      [part("layers", "layer picker", layersPane)],
      [part("mosaic", "activation mosaic", mosaicPane)],
      [part("unit", "selected unit", unitPane)],
    ],
    ACTIVATION_KEYS,
  ),
};
