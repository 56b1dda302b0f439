import { examplesPane } from "../panes/examples.ts";
import { part, widget } from "../panes/frame.ts";
import { layersPane } from "../panes/layers.ts";
import { unitField } from "../panes/unit_field.ts";
import { EXAMPLES_KEYS } from "./keys.ts";

export default {
  render: widget(
    "examples",
    "examples",
    [
      [part("layers", "layer picker", layersPane)],
      [part("examples", "images of the unit", (context, scene) => {
        const pane = examplesPane(context, scene);
        if (!context.hides("number")) pane.prepend(unitField(context, scene));
        return pane;
      })],
    ],
    EXAMPLES_KEYS,
  ),
};
