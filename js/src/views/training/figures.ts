// One figure of all layers over the training: a small line for each, on one scale.

import { spanOf, sparks } from "../../draw/spark.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { placeOf, shownStep } from "../../model/training.ts";
import type { Traits } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

type Figure = Traits["layer_figure"];
const OF_MODULES: Figure[] = ["weight", "gradient", "update", "ratio", "singular", "rank"];
const SHARES: Figure[] = ["zeros", "dead", "saturated", "spread"];
const HIGH = 24;
/** Room for the names and numbers beside a line. */
const BESIDE = 230;

export function figuresPane(context: Context, _scene: Scene): HTMLElement {
  const names: [Figure, string][] = [
    ["zeros", t("zeros")],
    ["dead", t("dead units")],
    ["saturated", t("saturated")],
    ["size", t("size of activations")],
    ["spread", t("spread over positions")],
    ["weight", t("length of weights")],
    ["gradient", t("length of gradients")],
    ["update", t("length of updates")],
    ["ratio", t("update ÷ weight")],
    ["singular", t("largest singular value")],
    ["rank", t("stable rank")],
  ];
  const meaning: Record<Figure, string> = {
    zeros: t("the share of activations that are exactly 0"),
    dead: t("the share of units that are 0 for all watched inputs"),
    saturated: t("the share of activations at a bound of the function"),
    size: t("the root of the mean square"),
    spread: t("1 where a unit is equally active at all positions, near 0 where at few"),
    weight: t("the root of the sum of squares"),
    gradient: t("the root of the sum of squares"),
    update: t("of the change in one step"),
    ratio: t("about 0.001 is usual"),
    singular: t("by how much the weights stretch an input at most"),
    rank: t("the sum of squared singular values ÷ the largest: how many directions the weights use"),
  };
  const title = heading(t("layers"));
  const pick = choice(t("figure"), names, (value) => context.set({ layer_figure: value }));
  const about = h("div", { class: "nn-soft" });
  const empty = h("div", { class: "nn-soft nn-empty" }, t("no measurement yet"));
  const body = h("tbody", {});
  const table = h("table", { class: "nn-table nn-spark-table" }, body);
  let width = 120;
  const draw = () => {
    const watched = context.get("watched");
    const figure = context.get("layer_figure");
    const rows = (OF_MODULES.includes(figure) ? watched?.modules : watched?.layers) ?? [];
    const lines = rows.map((row) => row.values[figure]);
    const there = lines.some((values) => values.some((value) => value !== null));
    pick.select.value = figure;
    const span = SHARES.includes(figure) ? { low: 0, high: 1, log: false } : spanOf(lines);
    const format = SHARES.includes(figure) ? percent : (value: number) => short(value, 2);
    const scale = t("{low} to {high}", { low: format(span.low), high: format(span.high) });
    say(about, there ? `${meaning[figure]}; ${span.log ? `${scale}, ${t("logarithmic")}` : scale}` : meaning[figure]);
    empty.hidden = there;
    say(empty, rows.length ? t("no layer has this figure") : t("no measurement yet"));
    table.hidden = !there;
    if (!there || !watched) return;
    const step = shownStep(context);
    const mark = { step, ink: context.color("--nn-dim"), base: context.color("--nn-line") };
    const place = step === null ? watched.measured.length - 1 : placeOf(watched.measured, step);
    body.replaceChildren(
      ...rows.map((row, which) => {
        const canvas = h("canvas", { role: "presentation" });
        sparks(
          canvas,
          [width, HIGH],
          watched.measured,
          [{ values: lines[which], ink: context.color("--nn-accent") }],
          span,
          mark,
        );
        const here = lines[which][place];
        return h(
          "tr",
          {},
          h("th", { scope: "row", title: row.name }, row.name || t("the model")),
          h("td", {}, canvas),
          h("td", { class: "nn-number" }, here === null || here === undefined ? "–" : format(here)),
        );
      }),
    );
  };
  context.watch(["watched", "layer_figure", "shown_step"], draw);
  context.onTheme(draw);
  const stage = h("div", { class: "nn-scroll", tabindex: 0, role: "group", "aria-label": t("layers") }, table);
  onResize(context, stage, () => {
    width = Math.max(60, Math.min(400, stage.clientWidth - BESIDE));
    draw();
  });
  const tools = context.hides("layer_figure") ? null : toolbar([pick]);
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), about, empty, stage);
}
