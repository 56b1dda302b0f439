// The outputs as curves over one input, the others held.

import { categoryColor } from "../../draw/categories.ts";
import { base, type Frame, ticks } from "../../draw/charts.ts";
import type { Context } from "../../model/context.ts";
import { definitionsOf, evaluate, rounding } from "../../model/formula.ts";
import type { Scene } from "../../model/scene.ts";
import type { DefinitionPayload } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { rangeOf } from "./inputs.ts";

const HEIGHT = 150;
const STEPS = 160;
const MOST_OUTPUTS = 6;

export function curvePane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("outputs over one input"));
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const stage = h("div", {}, canvas);
  const words = h("div", { class: "nn-soft" });
  const key = h("div", { class: "nn-soft nn-keys" });
  let width = 320;
  let inputs = choice(t("input"), [["0", ""]], () => {});
  const tools = h("div", {});

  const draw = () => {
    const formula = context.get("formula");
    const at = context.get("inputs_at");
    if (!formula || at.length !== formula.inputs.length) return;
    const place = Math.min(context.get("varied"), formula.inputs.length - 1);
    const [low, high] = rangeOf(formula, place);
    const outputs = formula.outputs.slice(0, MOST_OUTPUTS);
    const curves = (definitions: DefinitionPayload[]) =>
      Array.from({ length: STEPS + 1 }, (_, step) => {
        const point = [...at];
        point[place] = low + ((high - low) * step) / STEPS;
        const names = evaluate(formula, definitions, point);
        return outputs.map((name) => names.get(name)!.value);
      });
    const exact = curves(definitionsOf(formula));
    const short_ = curves(rounding(formula)(context.get("digits")));
    const all = exact.flat();
    const [bottom, top] = [Math.min(...all), Math.max(...all)];
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const frame: Frame = { pen, width, height: HEIGHT, foot: 14, left: 40 };
    const x = (value: number) => frame.left + ((value - low) / (high - low)) * (width - frame.left - 4);
    const y = (value: number) => HEIGHT - frame.foot - 4 - ((value - bottom) / (top - bottom || 1)) * (HEIGHT - 30);
    base(context, frame);
    ticks(context, frame, low, high, top);
    pen.textBaseline = "bottom";
    pen.fillText(short(bottom, 2), frame.left - 3, HEIGHT - frame.foot);
    for (const [values, dash] of [
      [exact, []],
      [short_, [4, 3]],
    ] as [number[][], number[]][])
      for (const [which] of outputs.entries()) {
        pen.strokeStyle = categoryColor(which, dash.length ? 0.6 : 1);
        pen.setLineDash(dash);
        pen.lineWidth = 1.75;
        pen.beginPath();
        for (const [step, row] of values.entries()) pen.lineTo(x(low + ((high - low) * step) / STEPS), y(row[which]));
        pen.stroke();
      }
    pen.setLineDash([]);
    pen.strokeStyle = context.color("--nn-accent");
    pen.beginPath();
    pen.moveTo(x(at[place]), 4);
    pen.lineTo(x(at[place]), HEIGHT - frame.foot);
    pen.stroke();
    const name = formula.inputs[place];
    say(words, t("{input} from {low} to {high}; dashed: rounded", { input: name, low: short(low), high: short(high) }));
    canvas.setAttribute("aria-label", `${outputs.join(", ")}: ${words.textContent}`);
    key.replaceChildren(
      ...outputs.map((output, which) => {
        const swatch = h("span", { class: "nn-swatch" });
        swatch.style.background = categoryColor(which);
        return h("span", {}, swatch, output);
      }),
    );
  };
  context.watch(["formula"], () => {
    const names = context.get("formula")?.inputs ?? [];
    inputs = choice(
      t("input"),
      names.map((name, place) => [String(place), name] as [string, string]),
      (value) => context.set({ varied: Number(value) }),
    );
    tools.replaceChildren(...[toolbar([inputs])].filter((one) => one !== null));
  });
  context.watch(["formula", "inputs_at", "varied", "digits"], () => {
    inputs.select.value = String(context.get("varied"));
    draw();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), stage, key, words);
}
