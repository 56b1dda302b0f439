// The weights of the linear function as a picture, and what they add up to.

import type { Limits } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { coloured, flat, limitsIn, tabled } from "../../draw/signed.ts";
import { signedOf } from "../../draw/texture.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say, textured } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

type Shown = "sum" | "colours";

export function weightsPane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("weights"));
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img" });
  const scale = legend();
  const kind = h("div", {});
  const sum = h("div", { class: "nn-soft" });
  let shown: Shown = "sum";
  const of = choice(
    t("of"),
    [
      ["lead", t("the lead over the next class")],
      ["class", t("the score")],
    ],
    (value) => context.set({ map_of: value }),
  );
  const how = choice<Shown>(
    t("shown"),
    [
      ["sum", t("summed over the channels")],
      ["colours", t("in colour")],
    ],
    (value) => {
      shown = value;
      draw();
    },
  );
  const draw = () => {
    const payload = context.get("local_map");
    if (!payload) return;
    const signed = signedOf(payload.texture);
    how.hidden = !signed.colours;
    const inColour = shown === "colours" && signed.colours;
    const values = flat(signed, "signed");
    const limits = mostly(values);
    const table = scene.table(limits);
    const made = textured(inColour ? coloured(signed, 0) : tabled(values, limits, table), signed.rows, signed.columns);
    canvas.width = made.width;
    canvas.height = made.height;
    canvas.style.setProperty("--nn-ratio", String(made.width / made.height));
    canvas.getContext("2d")!.drawImage(made, 0, 0);
    scale.element.hidden = inColour;
    scale.show(limits, table, t("change of the score for one unit of input"));
  };
  context.watch(["local_map", "map_of", "labels", "target"], () => {
    of.select.value = context.get("map_of");
    const payload = context.get("local_map");
    if (!payload) return;
    const name = scene.label(context.get("target"));
    const words =
      payload.against === null
        ? t("weights of {class}", { class: name })
        : t("weights of {class} against {other}", { class: name, other: scene.label(payload.against) });
    say(title, words);
    canvas.setAttribute("aria-label", words);
    say(
      kind,
      payload.exact
        ? t("exact, until the first unit switches")
        : t("to first order: {why} is not piecewise linear", { why: payload.why }),
    );
    say(
      sum,
      t("weights · input {product} + bias {bias} = {value}", {
        product: short(payload.value - payload.bias),
        bias: short(payload.bias),
        value: short(payload.value),
      }),
    );
    draw();
  });
  context.onTheme(draw);
  const tools = toolbar([of, how]);
  return h("div", {}, title, canvas, scale.element, kind, sum, tools);
}

/** Limits that hold all but one in two hundred: a few weights are many times as large as the rest. */
function mostly(values: Float32Array): Limits {
  const sizes = Float32Array.from(values, Math.abs).sort();
  const largest = sizes[Math.floor(0.995 * (sizes.length - 1))];
  return largest ? [-largest, largest] : limitsIn(values, true);
}
