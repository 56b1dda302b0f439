// The charts of an experiment: what the theory says, and what was measured.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, onResize } from "../../ui/dom.ts";
import { type PlotBox, plotBox } from "../../ui/plot.ts";
import { t } from "../../ui/text.ts";

const SIDE_BY_SIDE = 560;
const GAP = 16;

export function plotsPane(context: Context, _scene: Scene): HTMLElement {
  const empty = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const stage = h("div", { class: "nn-plots" });
  const body = h("div", {}, empty, stage);
  const boxes: PlotBox[] = [];
  let width = 480;
  const draw = () => {
    const plots = context.get("experiment")?.plots ?? [];
    empty.hidden = plots.length > 0;
    while (boxes.length < plots.length) {
      boxes.push(plotBox(context));
      stage.append(boxes[boxes.length - 1].element);
    }
    const beside = width >= SIDE_BY_SIDE;
    for (const [place, box] of boxes.entries()) {
      box.element.hidden = place >= plots.length;
      if (place < plots.length)
        box.show(plots[place], Math.floor(beside ? (width - GAP) / 2 : width), beside ? 240 : 200);
    }
  };
  context.watch(["experiment"], draw);
  context.onTheme(draw);
  onResize(context, body, () => {
    width = Math.max(200, body.clientWidth);
    draw();
  });
  return body;
}
