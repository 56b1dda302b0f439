// The Lyapunov exponents as bars, with their errors.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const HEIGHT = 200;
const LEFT = 56;

export function exponentsPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("Lyapunov exponents"));
  title.title = t(
    "growth of small differences of the state per token, as a natural logarithm: above 0 they grow, below 0 they fade",
  );
  const waiting = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const stage = h("div", {}, canvas);
  const about = h("div", {});
  const dimension = h("div", { class: "nn-soft" });
  const body = h("div", {}, stage, about, dimension);
  let width = 320;
  const layers = choice(t("layer"), [["", ""]], (value) => context.set({ recurrent_layer: value }));

  const draw = () => {
    const found = context.get("exponents");
    if (!found) return;
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const known = found.values.filter((value) => value !== null);
    const [low, high] = [Math.min(0, ...known), Math.max(0, ...known)];
    const span = high - low || 1;
    const y = (value: number) => 10 + ((high - value) / span) * (HEIGHT - 28);
    const step = (width - LEFT) / found.values.length;
    for (const [place, value] of found.values.entries()) {
      const at = LEFT + place * step;
      pen.fillStyle = context.color(value === null ? "--nn-line" : value > 0 ? "--nn-more" : "--nn-less");
      const end = y(value ?? low);
      pen.fillRect(at + 2, Math.min(end, y(0)), step - 4, Math.max(1, Math.abs(end - y(0))));
      const error = found.errors[place];
      if (value === null || error === null) continue;
      pen.strokeStyle = context.color("--nn-ink");
      pen.beginPath();
      pen.moveTo(at + step / 2, y(value - error));
      pen.lineTo(at + step / 2, y(value + error));
      pen.stroke();
    }
    pen.strokeStyle = context.color("--nn-dim");
    pen.beginPath();
    pen.moveTo(LEFT, y(0));
    pen.lineTo(width, y(0));
    pen.stroke();
    pen.font = "10px system-ui, sans-serif";
    pen.fillStyle = context.color("--nn-dim");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const value of new Set([low, 0, high])) pen.fillText(short(value, 2), LEFT - 6, y(value));
  };
  context.watch(["exponents", "recurrent_layer", "recurrent_layers"], () => {
    const names = context.get("recurrent_layers");
    layers.select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    layers.select.value = context.get("recurrent_layer");
    layers.hidden = names.length < 2;
    const found = context.get("exponents");
    waiting.hidden = Boolean(found);
    body.hidden = !found;
    if (!found) return;
    say(about, found.about);
    say(
      dimension,
      t("dimension of the attractor (Kaplan & Yorke): {dimension}", { dimension: short(found.dimension) }),
    );
    canvas.setAttribute("aria-label", found.about);
    draw();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  return h("div", {}, h("div", { class: "nn-head" }, title, toolbar([layers])), waiting, body);
}
