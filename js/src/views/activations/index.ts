import { call, displayOptions, layerOptions, quoted, targetOption } from "../../shell/code.ts";
import { type Keys, pane, view } from "../../shell/frame.ts";
import { layersPane } from "./layers.ts";
import { mosaicPane } from "./mosaic.ts";
import { unitPane } from "./unit.ts";

export const KEYS: Keys = [
  ["layers: ↑ ↓", "choose an operation"],
  ["layers: ← →", "fold and unfold"],
  ["layers: /", "type to filter"],
  ["mosaic: arrows", "choose a unit"],
  ["mosaic: Enter, or a double click", "open its unit card"],
  ["unit: arrows", "move the position"],
  ["unit: o", "show the map over the photograph"],
];

export default view({
  name: "activations",
  rows: [
    [
      pane("layers", "layer picker", layersPane),
      pane("mosaic", "activation mosaic", mosaicPane),
      pane("unit", "selected unit", unitPane),
    ],
  ],
  keys: KEYS,
  code: (context, scene) =>
    call(context, "activations", [
      targetOption(context, scene),
      ...layerOptions(context),
      `sort=${quoted(context.get("sort"))}`,
      ...displayOptions(context),
    ]),
});
