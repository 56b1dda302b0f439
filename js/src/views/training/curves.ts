// Loss and metrics over the steps, the slider over the checkpoints, and the button that asks the loop to end.

import { Square } from "lucide";
import { spanOf, sparks, stepAt } from "../../draw/spark.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { checkpoints, placeOf, shownStep } from "../../model/training.ts";
import { iconButton, toolbar } from "../../ui/controls.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t, whole } from "../../ui/text.ts";

const HEIGHT = 84;

export function curvesPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("loss and metrics"));
  const stop = iconButton(Square, t("ask the training to end"), () =>
    context.set({ stop_training: context.get("stop_training") + 1 }, false),
  );
  const words = h("div", { class: "nn-soft", "aria-live": "off" });
  const empty = h(
    "div",
    { class: "nn-soft nn-empty" },
    t("call watch.step(loss=loss) after each step of the optimiser"),
  );
  const charts = h("div", {});
  const axis = h("div", { class: "nn-soft nn-axis" });
  const slider = h("input", { type: "range", min: 0, step: 1 });
  const at = h("span", { class: "nn-soft nn-number" });
  const control = h("label", { class: "nn-control nn-wide" }, h("span", {}, t("checkpoint")), slider, at);
  let width = 320;

  context.listen(slider, "input", () => {
    const steps = checkpoints(context);
    const place = Number(slider.value);
    context.set({ shown_step: place === steps.length - 1 ? -1 : steps[place] });
  });
  const draw = () => {
    const watched = context.get("watched");
    const curves = watched?.curves ?? [];
    const step = shownStep(context);
    empty.hidden = curves.length > 0;
    axis.hidden = !curves.length || watched!.steps.length < 2;
    if (!axis.hidden) {
      const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => stepAt(share, watched!.steps));
      axis.replaceChildren(...[...new Set(ticks)].map((tick) => h("span", {}, whole(tick))));
      axis.title = t("steps; early ones have more room");
    }
    charts.replaceChildren(
      ...curves.map(({ name, values }) => {
        const span = spanOf([values]);
        const canvas = h("canvas", { class: "nn-curve", role: "img" });
        const here = step === null ? null : values[placeOf(watched!.steps, step)];
        const last = values[values.length - 1];
        const range = t("{low} to {high}", { low: short(span.low), high: short(span.high) });
        const text = `${name}: ${last === null || last === undefined ? "–" : short(last)}`;
        const scale = span.log ? `${range}, ${t("logarithmic")}` : range;
        canvas.setAttribute("aria-label", `${text} (${scale})`);
        sparks(canvas, [width, HEIGHT], watched!.steps, [{ values, ink: context.color("--nn-accent") }], span, {
          step,
          ink: context.color("--nn-dim"),
          base: context.color("--nn-line"),
        });
        const about = here === null || here === undefined ? "" : t("here {value}", { value: short(here) });
        return h(
          "div",
          {},
          h(
            "div",
            { class: "nn-row" },
            h("strong", {}, text),
            h("span", { class: "nn-soft" }, [scale, about].filter(Boolean).join(", ")),
          ),
          canvas,
        );
      }),
    );
  };
  context.watch(["watched", "shown_step"], () => {
    const watched = context.get("watched");
    const steps = checkpoints(context);
    const step = shownStep(context);
    stop.hidden = !watched?.running;
    stop.disabled = !context.live || Boolean(watched?.stopping);
    if (!context.live) stop.title = needsKernel();
    const counted = watched ? t("{count} steps", { count: whole(watched.count) }) : "";
    const cost = watched ? t("watching takes {share} of the time", { share: percent(watched.share) }) : "";
    const asked = watched?.stopping ? t("the loop was asked to end") : "";
    say(words, [counted, cost, asked].filter(Boolean).join(", "));
    control.hidden = steps.length < 2;
    slider.max = String(Math.max(0, steps.length - 1));
    if (step !== null) {
      slider.value = String(placeOf(steps, step));
      const shown = t("step {step}", { step: whole(step) });
      say(at, shown);
      slider.setAttribute("aria-valuetext", shown);
    }
    draw();
  });
  context.onTheme(draw);
  onResize(context, charts, () => {
    width = Math.max(120, charts.clientWidth);
    draw();
  });
  return h(
    "div",
    {},
    h("div", { class: "nn-head" }, title, toolbar([!context.hides("stop") && stop])),
    words,
    empty,
    charts,
    axis,
    context.hides("step") ? null : control,
  );
}
