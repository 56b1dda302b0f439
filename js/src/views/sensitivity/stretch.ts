// The stretch per layer of the directions that are stretched most: as bars, beside the other networks.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

export function stretchPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("stretch per layer"));
  title.title = t(
    "singular values of the network's Jacobian; their logarithm divided by the number of layers with weights",
  );
  const waiting = h("div", { class: "nn-soft" }, t("being computed"));
  const table = h("table", { class: "nn-table nn-stretch" });
  context.watch(["stretches", "growth"], () => {
    const rows = context.get("stretches");
    waiting.hidden = rows.length > 0;
    table.hidden = !rows.length;
    if (!rows.length) return;
    const depth = Math.max(1, context.get("growth")?.depth ?? 1);
    const name: Record<string, string> = {
      model: t("this network"),
      initial: t("at initialisation"),
      scaled: t("scaled weights"),
    };
    const cell = (exponent: number | null) =>
      h(
        "td",
        {
          title:
            exponent === null
              ? ""
              : t("stretched {factor} times in all", { factor: short(Math.exp(exponent * depth)) }),
        },
        exponent === null ? "−∞" : short(exponent),
      );
    const columns = Math.max(...rows.map((row) => row.exponents.length));
    table.replaceChildren(
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, t("ln of the factor per layer")),
          ...Array.from({ length: columns }, (_, at) => h("th", { scope: "col" }, String(at + 1))),
        ),
      ),
      h(
        "tbody",
        {},
        ...rows.map((row) =>
          h("tr", {}, h("th", { scope: "row" }, name[row.of] ?? row.of), ...row.exponents.map(cell)),
        ),
      ),
    );
  });
  return h("div", {}, title, waiting, table);
}
