// The heads of the layer in numbers: how much each follows a known pattern, and what is lost without it.

import { chosenHeads } from "../../model/attention.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { fixed, signed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

function patternName(name: string): string {
  const names: Record<string, string> = {
    "previous token": t("previous token"),
    "same token": t("same token"),
    "first token": t("first token"),
    induction: t("induction"),
  };
  return names[name] ?? name;
}

interface Column {
  name: string;
  tip: string;
  values: (number | null)[];
  even: number | null;
  write(value: number): string;
}

export function patternsPane(context: Context, _scene: Scene): HTMLElement {
  const table = h("table", { class: "nn-table nn-patterns" });
  const words = h("div", { class: "nn-soft" });
  const run = h("button", { type: "button", onclick: () => context.request("resume") }, t("remove each head"));
  run.disabled = !context.live;
  run.title = context.live ? t("one pass for each head: how much the loss grows without it") : needsKernel();
  const removal = choice(
    t("replaced with"),
    [
      ["zero", "0"],
      ["mean", t("its mean")],
    ],
    (value) => context.set({ removal: value }),
  );
  removal.select.disabled = !context.live;

  const columns = (): Column[] => {
    const payload = chosenHeads(context)?.payload;
    if (!payload) return [];
    const found: Column[] = payload.patterns.map(({ name, values, even }) => ({
      name: patternName(name),
      tip: t("the mean weight on it; the last row is attention that is even over all keys"),
      values,
      even,
      write: (value) => fixed(value, 2),
    }));
    const induction = context.get("induction");
    const scores = induction?.values[payload.layer];
    if (scores)
      found.push({
        name: t("induction"),
        tip: t("on random tokens that are written twice: the weight on what followed the token the first time"),
        values: scores,
        even: induction!.even,
        write: (value) => fixed(value, 2),
      });
    if (payload.entropy.length)
      found.push({
        name: t("entropy"),
        tip: t("of the rows, in bits: 0 where a token reads one key"),
        values: payload.entropy,
        even: null,
        write: (value) => fixed(value, 1),
      });
    const effects = context.get("effects");
    if (effects?.layer === payload.layer && effects.removal === context.get("removal") && !effects.problem)
      found.push({
        name: t("loss without it"),
        tip: t("how much it grows: {loss}, {clean} with all heads", {
          loss: effects.words,
          clean: fixed(effects.clean, 3),
        }),
        values: effects.values,
        even: null,
        write: (value) => signed(value, 3),
      });
    return found;
  };
  const draw = () => {
    const heads = chosenHeads(context);
    const shown = columns();
    const effects = context.get("effects");
    say(words, effects?.problem ?? "");
    removal.select.value = context.get("removal");
    if (!heads) return;
    const row = (name: HTMLElement | string, cells: HTMLElement[], chosen = false) =>
      h("tr", { class: chosen ? "nn-chosen" : "" }, h("th", { scope: "row" }, name), ...cells);
    const cell = (column: Column, value: number | null) => {
      const most = Math.max(1e-9, ...column.values.map((each) => Math.abs(each ?? 0)), column.even ?? 0);
      const bar = h("span", { class: "nn-cell-bar" });
      bar.style.width = `${value === null ? 0 : (Math.max(0, value) / most) * 100}%`;
      return h("td", {}, bar, h("span", {}, value === null ? "" : column.write(value)));
    };
    const body = Array.from({ length: heads.heads }, (_, head) => {
      const button = h(
        "button",
        { type: "button", class: "nn-link-plain", onclick: () => context.set({ head, combine: "head" }) },
        t("head {head}", { head }),
      );
      const chosen = context.get("combine") === "head" && head === context.get("head");
      button.setAttribute("aria-pressed", String(chosen));
      return row(
        button,
        shown.map((column) => cell(column, column.values[head] ?? null)),
        chosen,
      );
    });
    const even = shown.some((column) => column.even !== null)
      ? [
          row(
            t("if even"),
            shown.map((column) => h("td", { class: "nn-soft" }, column.even === null ? "" : column.write(column.even))),
          ),
        ]
      : [];
    table.replaceChildren(
      h(
        "thead",
        {},
        h("tr", {}, h("td", {}), ...shown.map((column) => h("th", { scope: "col", title: column.tip }, column.name))),
      ),
      h("tbody", {}, ...body, ...even),
    );
  };
  context.watch(["attention", "head", "combine", "induction", "effects", "removal"], draw);
  const tools = context.hides("effects") ? null : toolbar([run, removal]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, heading(t("heads in numbers")), tools),
    h("div", { class: "nn-scroll" }, table),
    words,
  );
}
