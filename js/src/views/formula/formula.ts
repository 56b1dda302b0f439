// The expression: named values layer by layer, or each output whole.

import { definition } from "../../draw/mathml.ts";
import type { Context } from "../../model/context.ts";
import { definitionsOf, evaluate, rounding, roundingError } from "../../model/formula.ts";
import type { Scene } from "../../model/scene.ts";
import type { DefinitionPayload } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { localNumber, plural, t } from "../../ui/text.ts";

/** Layers with more values than this are folded at first. */
const UNFOLDED = 12;

export function formulaPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("formula"));
  const about = h("div", { class: "nn-soft" });
  const check = h("div", { class: "nn-soft" });
  const rounds = h("div", { class: "nn-soft" });
  const problem = h("div", { class: "nn-note", hidden: true });
  const body = h("div", { class: "nn-expressions" });
  /** The places where the values of the names stand. */
  let values: { name: string; element: HTMLElement; line: HTMLElement }[] = [];

  const form = choice(
    t("written"),
    [
      ["layers", t("by layer")],
      ["whole", t("as one expression")],
      ["simplified", t("simplified")],
    ],
    (value) => context.set({ form: value }),
  );
  const digits = h("input", { type: "range", min: 1, max: 17, step: 1 });
  const digitsShown = h("span", { class: "nn-soft nn-number" });
  context.listen(digits, "input", () => context.set({ digits: Number(digits.value) }));

  const number = (value: number) => {
    const size = Math.abs(value);
    const rounded = Number(value.toPrecision(context.get("digits")));
    const text = size !== 0 && (size >= 1e6 || size < 1e-4) ? rounded.toExponential() : String(rounded);
    return localNumber(text.replaceAll("-", "−"));
  };
  const line = ({ name, tree }: DefinitionPayload): HTMLElement => {
    const element = h("span", { class: "nn-number nn-value" });
    const made = h(
      "div",
      { class: "nn-definition" },
      h("span", { class: "nn-expression" }, ...definition(name, tree, number)),
      element,
    );
    values.push({ name, element, line: made });
    return made;
  };
  const folds = new Map<string, boolean>();
  const build = () => {
    const formula = context.get("formula");
    if (!formula) return;
    const whole = context.get("whole");
    const which = context.get("form");
    values = [];
    const single = which === "whole" ? whole?.expanded : which === "simplified" ? whole?.simplified : null;
    if (which === "layers" || !single) {
      body.replaceChildren(
        ...formula.layers.map((layer, place) => {
          const count = layer.definitions.length;
          const words = plural("layer {layer}: {count} value", "layer {layer}: {count} values", count, {
            layer: layer.operation,
          });
          const fold = h("details", { open: folds.get(layer.operation) ?? (count <= UNFOLDED || place === 0) });
          const list = h("div", {});
          fold.append(h("summary", {}, words), list);
          const fill = () => {
            if (!fold.open || list.childElementCount) return;
            list.append(...layer.definitions.map(line));
            showValues();
          };
          fold.addEventListener("toggle", () => {
            folds.set(layer.operation, fold.open);
            fill();
          });
          if (fold.open) list.append(...layer.definitions.map(line));
          return fold;
        }),
      );
    } else body.replaceChildren(...single.map(line));
    showValues();
  };
  const showValues = () => {
    const formula = context.get("formula");
    if (!formula || context.get("inputs_at").length !== formula.inputs.length) return;
    const names = evaluate(formula, definitionsOf(formula), context.get("inputs_at"));
    for (const { name, element, line } of values) {
      const value = names.get(name)!.value;
      say(element, `= ${short(value)}`);
      line.classList.toggle("nn-off", value === 0);
    }
  };
  context.watch(["formula", "whole", "form", "digits"], () => {
    form.select.value = context.get("form");
    digits.value = String(context.get("digits"));
    say(digitsShown, String(context.get("digits")));
    const formula = context.get("formula");
    const why = context.get("form") === "layers" ? "" : context.get("whole_problem");
    say(problem, why);
    problem.hidden = !why;
    if (!formula) return;
    const difference = t("largest difference from the network at {count} points: {difference}", {
      count: formula.points,
      difference: short(formula.difference, 2),
    });
    say(about, formula.about);
    say(check, difference);
    rounding(formula);
    const count = context.get("digits");
    say(
      rounds,
      plural(
        "With {count} digit the outputs are off by at most {error} at 200 points.",
        "With {count} digits the outputs are off by at most {error} at 200 points.",
        count,
        { error: short(roundingError(formula, count), 2) },
      ),
    );
    build();
  });
  context.watch(["inputs_at"], showValues);
  const tools = toolbar([
    !context.hides("form") && form,
    !context.hides("digits") && h("label", { class: "nn-control" }, h("span", {}, t("digits")), digits, digitsShown),
  ]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    about,
    check,
    rounds,
    problem,
    body,
  );
}
