// The units of a layer whose values differ most between the two models.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { fixed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t, whole } from "../../ui/text.ts";

export function unitsPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("units that differ most"));
  title.title = t("1 − the correlation of a unit's values in the two models, over all inputs and positions");
  const pick = choice(t("layer"), [["", ""]], (layer) => context.set({ changed_layer: layer }));
  const none = h("div", { class: "nn-soft nn-empty" }, t("no layer is in both models with the same units"));
  const about = h("div", { class: "nn-soft" });
  const body = h("tbody", {});
  const head = h("tr", {}, h("th", { scope: "col" }, t("unit")), h("th", { scope: "col" }, t("1 − correlation")));
  const table = h("table", { class: "nn-table" }, h("thead", {}, head), body);
  context.watch(["changed", "changed_layer", "changed_layers", "similarity"], () => {
    const found = context.get("changed");
    const names = context.get("changed_layers");
    pick.select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    pick.select.value = context.get("changed_layer");
    pick.hidden = names.length < 2;
    none.hidden = Boolean(found) || !context.get("similarity");
    table.hidden = about.hidden = !found;
    if (!found) return;
    const shown = t("{shown} of {count} units of {layer}", {
      shown: whole(found.units.length),
      count: whole(found.count),
      layer: found.layer,
    });
    const constant = found.constant
      ? plural("{count} is constant in one of the models", "{count} are constant in one of the models", found.constant)
      : "";
    say(about, [shown, constant].filter(Boolean).join("; "));
    body.replaceChildren(
      ...found.units.map((unit, place) => {
        const value = found.values[place];
        const bar = h("span", { class: "nn-share-bar", "aria-hidden": true });
        bar.style.width = `${Math.round(60 * Math.min(1, value))}px`;
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, String(unit)),
          h("td", {}, h("span", { class: "nn-number" }, fixed(value, 2)), bar),
        );
      }),
    );
  });
  const name = t("units that differ most");
  const scrolled = h("div", { class: "nn-scroll", tabindex: 0, role: "group", "aria-label": name }, table);
  const tools = context.hides("changed_layer") ? null : toolbar([pick]);
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), none, about, scrolled);
}
