// A copy of the model is trained: its loss and its number of pieces as they change.

import { Dices, Play, Square } from "lucide";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { iconButton, rename, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { fixed, percent, short } from "../../ui/format.ts";
import { icon } from "../../ui/icons.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const HEIGHT = 176;

interface Line {
  element: HTMLElement;
  draw(values: number[], zero: boolean): void;
  redraw(): void;
}

/** A curve over the training, with its first and last value. */
function line(context: Context, name: string): Line {
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const stage = h("div", {}, canvas);
  const words = h("div", { class: "nn-soft" });
  let [values, fromZero, width]: [number[], boolean, number] = [[], true, 240];
  const redraw = () => {
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const [low, high] = [fromZero ? 0 : Math.min(...values), Math.max(1e-12, ...values)];
    pen.strokeStyle = context.color("--nn-line");
    pen.strokeRect(0.5, 0.5, width - 1, HEIGHT - 1);
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const [place, value] of values.entries()) {
      const px = values.length > 1 ? (place / (values.length - 1)) * (width - 8) + 4 : 4;
      pen.lineTo(px, HEIGHT - 4 - ((value - low) / (high - low || 1)) * (HEIGHT - 8));
    }
    pen.stroke();
    const last = values.length ? short(values[values.length - 1]) : "–";
    say(words, values.length > 1 ? `${name}: ${short(values[0])} → ${last}` : `${name}: ${last}`);
    canvas.setAttribute("aria-label", words.textContent ?? "");
  };
  onResize(context, stage, () => {
    width = stage.clientWidth;
    redraw();
  });
  context.onTheme(redraw);
  return {
    element: h("div", {}, words, stage),
    draw: (next, zero) => {
      [values, fromZero] = [next, zero];
      redraw();
    },
    redraw,
  };
}

export function trainingPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("training a copy"));
  title.title = t("the model itself stays as it is; Python has the copy as view.model");
  const empty = h("div", { class: "nn-soft nn-empty" }, t("give points and their classes to train a copy here"));
  const [loss, pieces] = [line(context, t("loss")), line(context, t("linear pieces"))];
  const words = h("div", { class: "nn-soft", "aria-live": "off" });
  const play = iconButton(Play, t("train"), () => context.set({ train: !context.get("train") }, false));
  const again = iconButton(Dices, t("draw the weights anew"), () =>
    context.set({ restart: context.get("restart") + 1 }, false),
  );
  const slider = (name: string, low: number, high: number, to: (share: number) => void) => {
    const input = h("input", { type: "range", min: low, max: high, step: "any" });
    const shown = h("span", { class: "nn-soft nn-number" });
    context.listen(input, "input", () => to(Number(input.value)));
    return { input, shown, element: h("label", { class: "nn-control" }, h("span", {}, name), input, shown) };
  };
  const rate = slider(t("learning rate"), -4, 0, (exponent) =>
    context.set({ rate: Number((10 ** exponent).toPrecision(2)) }),
  );
  const each = slider(t("steps per drawing"), 0, 2, (exponent) =>
    context.set({ steps_each: Math.round(10 ** exponent) }),
  );
  const body = h("div", {}, words, h("div", { class: "nn-pair" }, loss.element, pieces.element));
  context.watch(["training", "train", "rate", "steps_each", "can_train"], () => {
    const able = context.get("can_train");
    body.hidden = !able;
    empty.hidden = able;
    for (const button of [play, again]) {
      button.hidden = !able;
      button.disabled = !context.live;
      if (!context.live) button.title = needsKernel();
    }
    for (const control of [rate, each]) control.element.hidden = !able || !context.live;
    const on = context.get("train");
    if (context.live) rename(play, on ? t("stop") : t("train"));
    play.replaceChildren(icon(on ? Square : Play));
    rate.input.value = String(Math.log10(context.get("rate")));
    say(rate.shown, short(context.get("rate"), 2));
    each.input.value = String(Math.log10(context.get("steps_each")));
    say(each.shown, String(context.get("steps_each")));
    const training = context.get("training");
    loss.draw(training?.losses ?? [], true);
    pieces.draw(training?.regions ?? [], true);
    say(
      words,
      training?.step
        ? t("{step} steps; accuracy {share}; {rate} drawings per second", {
            step: training.step,
            share: percent(training.accuracy),
            rate: fixed(training.per_second, 0),
          })
        : t("not trained yet"),
    );
  });
  const tools = context.hides("train") ? null : toolbar([play, again], [rate.element, each.element]);
  const pane = h("div", {}, h("div", { class: "nn-head" }, title, tools), empty, body);
  pane.hidden = Boolean(context.get("points")?.names.length); // a plane through images has no data set
  return pane;
}
