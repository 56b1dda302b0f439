// The bands of an image of more than three: which are shown as red, green and blue, and the values of each.

import { type Context, needsKernel } from "../../model/context.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { channelName } from "../../ui/place.ts";
import { t } from "../../ui/text.ts";

export function bandsPane(context: Context): HTMLElement {
  const colours = () => [t("red"), t("green"), t("blue")];
  const ask = () => {
    const chosen = choices.map(({ select }) => Number(select.value));
    // The mean of all bands is shown until three are chosen: the others are those that are next to it.
    context.set({ asked_bands: chosen.every((band) => band >= 0) ? chosen : filled(chosen) });
  };
  const filled = (chosen: number[]) => {
    const known = Math.max(...chosen);
    return chosen.map((band) => (band >= 0 ? band : known));
  };
  const choices = colours().map((name) => choice(name, [], ask));
  const body = h("tbody");
  const table = h(
    "table",
    { class: "nn-table" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ...[t("band"), t("least"), t("mean"), t("largest"), t("standard deviation")].map((words) =>
          h("th", { scope: "col" }, words),
        ),
      ),
    ),
    body,
  );
  const values = h("details", {}, h("summary", {}, t("values of each band")), h("div", { class: "nn-scroll" }, table));
  const pane = h("div", {}, heading(t("bands")), toolbar(choices), values);
  context.watch(["bands", "photo"], () => {
    const sent = context.get("bands") ?? null;
    pane.hidden = !sent;
    if (!sent) return;
    const names = sent.mean.map((_value, band) => channelName(context, band));
    choices.forEach(({ select }, colour) => {
      const mean = sent.shown ? [] : [h("option", { value: "-1" }, t("mean of all"))];
      select.replaceChildren(...mean, ...names.map((name, band) => h("option", { value: band }, name)));
      select.value = String(sent.shown?.[colour] ?? -1);
      select.disabled = !context.live;
      select.title = context.live ? "" : needsKernel();
    });
    body.replaceChildren(
      ...names.map((name, band) => {
        const cells = [sent.least, sent.mean, sent.most, sent.deviation].map((numbers) => {
          const cell = h("td", { class: "nn-number" });
          say(cell, short(numbers[band]));
          return cell;
        });
        return h("tr", {}, h("th", { scope: "row" }, name), ...cells);
      }),
    );
  });
  return pane;
}
