// The replacements as a table, and how much may be lost.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { toolbar } from "../../ui/controls.ts";
import { h } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t, whole } from "../../ui/text.ts";

const percents = ([loss, low, high]: [number, number, number]) => ({
  loss: fixed(100 * loss, 1),
  low: fixed(100 * low, 1),
  high: fixed(100 * high, 1),
});

export function resultsPane(context: Context, _scene: Scene): HTMLElement {
  const loss = h("input", { type: "number", class: "nn-short", min: 0, max: 100, step: 0.5 });
  const losing = h("label", { class: "nn-control" }, h("span", {}, t("may lose (%)")), loss);
  losing.title = t("the share of the images that a replacement may lose");
  loss.disabled = !context.live;
  context.listen(loss, "change", () => {
    if (loss.value !== "") context.set({ loss: Math.min(1, Math.max(0, Number(loss.value) / 100)) });
  });
  const table = h("table", { class: "nn-table" });
  const scroll = h("div", { class: "nn-scroll", tabindex: 0, role: "region", "aria-label": t("replacements") }, table);
  context.watch(["loss"], () => {
    loss.value = String(Number((100 * context.get("loss")).toPrecision(6)));
  });
  context.watch(["sweep"], () => {
    const sweep = context.get("sweep");
    if (!sweep) return;
    const share = (value: number | null) => (value === null ? "–" : `${fixed(100 * value, 1)} %`);
    const head = [
      ...[t("replacement"), t("loss (95 %)"), t("FLOPs"), t("numbers"), t("accuracy"), t("agreement")],
      t("weights changed"),
    ];
    const same = share(1);
    const original = [t("the layer itself"), "", same, whole(sweep.parameters), share(sweep.accuracy), same, "0 %"];
    table.replaceChildren(
      h("thead", {}, h("tr", {}, ...head.map((words) => h("th", { scope: "col" }, words)))),
      h(
        "tbody",
        {},
        h("tr", {}, h("th", { scope: "row" }, original[0]), ...original.slice(1).map((words) => h("td", {}, words))),
        ...sweep.results.map((entry, at) =>
          h(
            "tr",
            { class: at === sweep.smallest ? "nn-chosen" : null },
            h("th", { scope: "row" }, entry.words),
            h("td", {}, t("{loss} % ({low} … {high})", percents(entry.loss))),
            h("td", {}, entry.flops ? share(entry.flops[1] / entry.flops[0]) : "–"),
            h("td", {}, whole(entry.parameters[1])),
            h("td", {}, share(entry.accuracy)),
            h("td", {}, share(entry.agreement)),
            h("td", {}, `${short(100 * entry.weight_error, 2)} %`),
          ),
        ),
      ),
    );
  });
  const tools = toolbar([!context.hides("loss") && losing]);
  return h("div", {}, h("div", { class: "nn-head" }, heading(t("replacements")), tools), scroll);
}
