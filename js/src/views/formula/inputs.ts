// The inputs to change, the outputs there, and the linear function around this input.

import { expression, math, nameOf, sign } from "../../draw/mathml.ts";
import type { Context } from "../../model/context.ts";
import { definitionsOf, evaluate, isPiecewiseLinear } from "../../model/formula.ts";
import type { Scene } from "../../model/scene.ts";
import type { FormulaPayload, TreePayload } from "../../model/traits.ts";
import { h, say } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

const MOST = 12;
/** Inputs of more terms are not written out around the point. */
const MOST_TERMS = 8;
const REACH = 3;

/** The values that a slider goes through. */
export function rangeOf(formula: FormulaPayload, place: number): [low: number, high: number] {
  return [formula.start[place] - REACH, formula.start[place] + REACH];
}

export function inputsPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("inputs and outputs"));
  const list = h("div", { class: "nn-inputs" });
  const rest = h("div", { class: "nn-soft" });
  const outputs = h("div", { class: "nn-outputs" });
  const kind = h("div", { class: "nn-soft" });
  const around = h("div", {});
  let rows: { input: HTMLInputElement; shown: HTMLElement }[] = [];

  context.watch(["formula"], () => {
    const formula = context.get("formula");
    if (!formula) return;
    rows = formula.inputs.slice(0, MOST).map((name, place) => {
      const [low, high] = rangeOf(formula, place);
      const input = h("input", { type: "range", min: low, max: high, step: "any", "aria-label": name });
      const shown = h("span", { class: "nn-number" });
      context.listen(input, "input", () => {
        const at = [...context.get("inputs_at")];
        at[place] = Number(Number(input.value).toPrecision(4));
        context.set({ inputs_at: at, varied: place });
      });
      return { input, shown };
    });
    list.replaceChildren(
      ...rows.flatMap(({ input, shown }, place) => [math(nameOf(formula.inputs[place])), input, shown]),
    );
    const more = formula.inputs.length - rows.length;
    say(
      rest,
      more > 0 ? plural("{count} more input stays as it is", "{count} more inputs stay as they are", more) : "",
    );
    rest.hidden = more <= 0;
  });
  context.watch(["formula", "inputs_at"], () => {
    const formula = context.get("formula");
    const at = context.get("inputs_at");
    if (!formula || at.length !== formula.inputs.length) return;
    for (const [place, { input, shown }] of rows.entries()) {
      input.value = String(at[place]);
      say(shown, short(at[place]));
    }
    const names = evaluate(formula, definitionsOf(formula), at);
    outputs.replaceChildren(
      ...formula.outputs.map((name) =>
        h("div", {}, math(nameOf(name), sign("=")), ` ${short(names.get(name)!.value, 4)}`),
      ),
    );
    const fits = formula.inputs.length <= MOST_TERMS;
    say(
      kind,
      !fits
        ? ""
        : isPiecewiseLinear(formula)
          ? t("around this input, exactly, until a maximum changes its side:")
          : t("around this input, to first order:"),
    );
    around.replaceChildren(
      ...(fits ? formula.outputs : []).map((name) => {
        const { value, slopes } = names.get(name)!;
        const constant = value - slopes.reduce((sum, slope, place) => sum + slope * at[place], 0);
        const parts: TreePayload[] = formula.inputs.map((input, place) => ({
          op: "*",
          parts: [
            { op: "number", value: slopes[place] },
            { op: "name", name: input },
          ],
        }));
        const tree = { op: "+", parts: [...parts, { op: "number", value: constant }] };
        return h("div", {}, math(nameOf(name), sign("="), expression(tree, short)));
      }),
    );
  });
  return h("div", {}, title, list, rest, outputs, kind, around);
}
