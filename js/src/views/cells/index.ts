import { layerOptions, quoted } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { layersPane } from "../activations/layers.ts";
import { contextsPane } from "./contexts.ts";
import { findPane } from "./find.ts";
import { gatesPane } from "./gates.ts";
import { holdPane } from "./hold.ts";
import { cellsPane } from "./mosaic.ts";
import { textPane } from "./text.ts";
import { tracePane } from "./trace.ts";

export default view({
  name: "cells",
  rows: [
    [
      stack(
        pane("layers", () => t("layer picker"), layersPane),
        pane("find", () => t("find a cell"), findPane),
      ),
      stack(
        pane("text", () => t("coloured text"), textPane),
        pane("trace", () => t("the cell over the text"), tracePane),
        pane("mosaic", () => t("cells over the text"), cellsPane),
      ),
    ],
    [
      pane("gates", () => t("gate saturation"), gatesPane),
      pane("hold", () => t("does the cell matter?"), holdPane),
      pane("contexts", () => t("contexts in the long text"), contextsPane),
    ],
  ],
  keys: () => [
    [t("layers: ↑ ↓"), t("choose an operation")],
    [t("text: arrows"), t("choose a token")],
    [t("cells: ↑ ↓"), t("choose a cell")],
    [t("line: ↑ ↓, Escape"), t("move the threshold, remove it")],
  ],
  code: (context) => {
    const options = [...layerOptions(context), `scale=${quoted(context.get("scale"))}`];
    if (context.get("wanted") && context.get("wanted") !== "marked")
      options.push(`find=${quoted(context.get("wanted"))}`);
    if (context.get("show_predictions")) options.push("predictions=True");
    return `view = lens.cells(${[quoted(context.get("text")?.text ?? ""), ...options].join(", ")})`;
  },
});
