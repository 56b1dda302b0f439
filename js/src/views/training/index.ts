import { quoted } from "../../shell/code.ts";
import { pane, stack, view } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";
import { alarmsPane } from "./alarms.ts";
import { curvesPane } from "./curves.ts";
import { figuresPane } from "./figures.ts";
import { filmPane } from "./film.ts";

export default view({
  name: "training",
  rows: [
    [
      stack(
        pane("curves", () => t("loss and metrics"), curvesPane),
        pane("figures", () => t("layers"), figuresPane),
      ),
      stack(
        pane("film", () => t("maps by checkpoint"), filmPane),
        pane("alarms", () => t("alarms"), alarmsPane),
      ),
    ],
  ],
  keys: () => [[t("step: ← →"), t("another checkpoint")]],
  code: (context) =>
    `view = watch.view(layer_figure=${quoted(context.get("layer_figure"))}, film_layer=${quoted(context.get("film_layer"))})`,
});
