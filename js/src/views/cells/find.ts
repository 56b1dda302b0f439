// Find a cell: those that follow a property of the text, judged on a half of it that did not choose them.

import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { fixed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

/** The names of the properties, as Python has them, in the user's language. */
function propertyName(name: string): string {
  const names: Record<string, string> = {
    "inside quotes": t("inside quotes"),
    "inside brackets": t("inside brackets"),
    "nesting depth": t("nesting depth"),
    "inside a URL": t("inside a URL"),
    indentation: t("indentation"),
    "inside the indentation": t("inside the indentation"),
    "position in the line": t("position in the line"),
    "position in the word": t("position in the word"),
  };
  return names[name] ?? name;
}

export function findPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("find a cell"));
  const list = h("div", { class: "nn-links" });
  const words = h("div", { class: "nn-soft" });
  const empty = h("div", { class: "nn-soft nn-empty" });
  const kind = choice(t("property"), [], (value) => {
    pattern.hidden = value !== "re:";
    if (value === "re:") pattern.focus();
    context.set({ wanted: value === "re:" && pattern.value ? `re:${pattern.value}` : value === "re:" ? "" : value });
  });
  const pattern = h("input", {
    type: "search",
    placeholder: t("regular expression"),
    "aria-label": t("regular expression"),
    hidden: true,
  });
  context.listen(pattern, "change", () => context.set({ wanted: pattern.value ? `re:${pattern.value}` : "" }));
  const where = choice(
    t("in"),
    [
      ["all", t("all layers")],
      ["layer", t("this layer")],
    ],
    (value) => context.set({ everywhere: value === "all" }),
  );
  for (const control of [kind.select, where.select, pattern]) {
    control.disabled = !context.live;
    if (!context.live) control.title = needsKernel();
  }

  const choices = () => {
    const options: [string, string][] = [
      ["", t("choose…")],
      ...context.get("properties").map((name): [string, string] => [name, propertyName(name)]),
      ["re:", t("regular expression")],
      ["marked", t("marked in the text")],
    ];
    kind.select.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
  };
  const held = context.live ? null : (context.choices("layer") ?? []);
  const draw = () => {
    const wanted = context.get("wanted");
    const isPattern = wanted.startsWith("re:");
    if (isPattern || kind.select.value !== "re:" || wanted) kind.select.value = isPattern ? "re:" : wanted;
    pattern.hidden = kind.select.value !== "re:";
    if (isPattern) pattern.value = wanted.slice(3);
    where.select.value = context.get("everywhere") ? "all" : "layer";
    const found = context.get("found");
    const rows = found?.wanted === wanted ? found.rows : [];
    list.hidden = !rows.length;
    empty.hidden = rows.length > 0;
    say(
      empty,
      found?.problem && found.wanted === wanted
        ? found.problem
        : !wanted
          ? t(
              "choose a property of the text, or mark a part of it by dragging: all cells are ranked by how well they follow it",
            )
          : wanted === "marked" && !context.get("marked").length
            ? t("mark a part of the text by dragging")
            : t("ranking…"),
    );
    say(words, rows.length ? found!.words : "");
    if (!found) return;
    const low = found.measure === "AUC" ? 0.5 : 0;
    const part = (value: number) => `${Math.min(1, Math.max(0, (value - low) / (1 - low))) * 100}%`;
    list.replaceChildren(
      ...rows.map((row) => {
        const chance = found.chance === null ? null : h("span", { class: "nn-clean" });
        if (chance) chance.style.left = part(found.chance!);
        const bar = h("span", { class: "nn-now" });
        bar.style.width = part(row.held_out);
        const name = t("cell {cell} of {layer}", { cell: row.unit, layer: row.layer });
        const numbers = {
          measure: found.measure === "AUC" ? t("AUC") : t("correlation"),
          held: fixed(row.held_out, 2),
          chosen: fixed(row.chosen, 2),
          chance: found.chance === null ? "–" : fixed(found.chance, 2),
        };
        const tip = t(
          "{measure} {held} on the held-out half ({chosen} on the half that chose it); shuffled properties reach {chance}",
          numbers,
        );
        const button = h(
          "button",
          {
            type: "button",
            class: `nn-link${row.beats_chance ? "" : " nn-slim"}`,
            title: `${name}: ${row.beats_chance ? "" : `${t("not better than chance")}; `}${tip}`,
            // Two steps: another layer brings a cell of its own.
            onclick: () => {
              if (row.layer !== context.get("layer")) context.set({ layer: row.layer });
              context.set({ unit: row.unit });
            },
          },
          h(
            "span",
            { class: "nn-unit-name" },
            h("span", {}, `${row.unit}${row.sign < 0 ? " −" : ""}`),
            h("span", { class: "nn-soft nn-name" }, row.layer),
          ),
          h("span", { class: "nn-found" }, bar, chance),
          h("span", { class: "nn-number" }, fixed(row.held_out, 2)),
        );
        const here = row.layer === context.get("layer") && row.unit === context.get("unit");
        button.setAttribute("aria-pressed", String(here));
        button.disabled = held !== null && row.layer !== context.get("layer") && !held.includes(row.layer);
        return button;
      }),
    );
  };
  context.watch(["properties"], choices);
  context.watch(["properties", "wanted", "found", "everywhere", "marked", "layer", "unit"], draw);
  const tools = context.hides("property") ? null : toolbar([kind, pattern, where]);
  return h("div", { class: "nn-grows" }, h("div", { class: "nn-head" }, title), tools, empty, list, words);
}
