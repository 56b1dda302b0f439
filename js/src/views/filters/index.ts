import { quoted } from "../../shell/code.ts";
import { pane, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { unitPane } from "../activations/unit.ts";
import { bankPane } from "./bank.ts";
import { filterPane } from "./filter.ts";
import { gratingsPane } from "./gratings.ts";
import { headsPane } from "./heads.ts";
import { expandedPane, kernelsPane, spectrumPane } from "./pictures.ts";

export default view({
  name: "filters",
  rows: [
    [pane("bank", () => t("filters of the layer"), bankPane), pane("filter", () => t("chosen filter"), filterPane)],
    [
      pane("kernels", () => t("kernels by channel"), kernelsPane),
      pane("spectrum", () => t("power spectrum"), spectrumPane),
      pane("gratings", () => t("responses to gratings"), gratingsPane),
      pane("expanded", () => t("expanded weights"), expandedPane),
      pane(
        "unit",
        () => t("selected unit"),
        (context, scene) => {
          const body = unitPane(context, scene);
          // Without an image, or where the filter is no unit of the pass, there is no map.
          context.watch(["linked"], () => {
            body.hidden = !context.get("linked");
          });
          return body;
        },
      ),
    ],
    [pane("heads", () => t("heads of the attention"), headsPane)],
  ],
  keys: () => [
    [t("filters: arrows"), t("choose a filter")],
    [t("unit: arrows"), t("move the position")],
  ],
  code: (context) => {
    const options = [quoted(context.get("weight")), `filter=${context.get("filter")}`];
    const path = context.get("photo")?.path;
    if (path) options.splice(1, 0, quoted(path));
    return `view = lens.filters(${[...options, `order=${quoted(context.get("filter_order"))}`].join(", ")})`;
  },
});
