// The growth of small changes over the layers, beside the network at initialisation and with scaled weights.

import type { Context } from "../../model/context.ts";
import { needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { GrowthRow } from "../../model/traits.ts";
import { toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const HEIGHT = 220;
const [LEFT, FOOT] = [44, 18];
/** Factors that are smaller are drawn as this one. */
const LEAST = 1e-3;

export const INKS: Record<string, string> = {
  random: "--nn-ink",
  gradient: "--nn-accent",
  stretched: "--nn-good",
  initial: "--nn-bar",
  scaled: "--nn-doubt",
};

export function rowName(row: GrowthRow): string {
  if (row.of === "initial") return t("at initialisation, random");
  if (row.of === "scaled") return t("scaled weights, random");
  return (
    { random: t("random directions"), gradient: t("the gradient"), stretched: t("stretched most") }[row.kind] ?? ""
  );
}

const inkOf = (row: GrowthRow) => INKS[row.of === "model" ? row.kind : row.of];

export function growthPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("how small changes grow"));
  title.title = t("relative change of a layer ÷ relative change of the input");
  const waiting = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const stage = h("div", {}, canvas);
  const reading = h("div", { class: "nn-soft nn-line nn-name" });
  const key = h("div", { class: "nn-soft nn-keys" });
  const facts = h("ul", { class: "nn-remarks" });
  const body = h("div", {}, stage, key, reading, facts);
  const slider = h("input", { type: "range", min: -1, max: 1, step: "any" });
  const shown = h("span", { class: "nn-soft nn-number" });
  const control = h("label", { class: "nn-control" }, h("span", {}, t("weights times")), slider, shown);
  let width = 400;
  let hovered: number | null = null;

  slider.disabled = !context.live;
  if (!context.live) control.title = needsKernel();
  context.listen(slider, "input", () => {
    const scale = Number((10 ** Number(slider.value)).toPrecision(2));
    say(shown, short(scale));
    context.set({ weight_scale: Math.abs(Math.log10(scale)) < 0.03 ? 1 : scale });
  });

  const draw = () => {
    const growth = context.get("growth");
    if (!growth) return;
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const log = (value: number) => Math.log10(Math.max(LEAST, value));
    const all = growth.rows.flatMap((row) => [...row.low, ...row.high]).map(log);
    const [low, high] = [Math.min(-0.5, ...all), Math.max(0.5, ...all)];
    const count = growth.layers.length;
    const x = (place: number) => LEFT + (count > 1 ? place / (count - 1) : 0.5) * (width - LEFT - 6);
    const y = (value: number) => 6 + (1 - (log(value) - low) / (high - low)) * (HEIGHT - FOOT - 12);
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const every = Math.max(1, Math.ceil((high - low) / 6));
    for (let power = Math.ceil(low / every) * every; power <= high; power += every) {
      pen.strokeStyle = context.color(power === 0 ? "--nn-dim" : "--nn-line");
      pen.beginPath();
      pen.moveTo(LEFT, y(10 ** power));
      pen.lineTo(width, y(10 ** power));
      pen.stroke();
      pen.fillStyle = context.color("--nn-dim");
      pen.fillText(short(10 ** power, 1), LEFT - 4, y(10 ** power));
    }
    for (const row of growth.rows) {
      const ink = context.color(inkOf(row));
      if (row.kind === "random") {
        pen.fillStyle = ink;
        pen.globalAlpha = 0.15;
        pen.beginPath();
        for (const [place, value] of row.high.entries()) pen.lineTo(x(place), y(value));
        for (let place = count - 1; place >= 0; place--) pen.lineTo(x(place), y(row.low[place]));
        pen.fill();
        pen.globalAlpha = 1;
      }
      pen.strokeStyle = ink;
      pen.lineWidth = 1.75;
      pen.setLineDash(row.of === "model" ? [] : [5, 3]);
      pen.beginPath();
      for (const [place, value] of row.middle.entries()) pen.lineTo(x(place), y(value));
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.fillStyle = context.color("--nn-dim");
    pen.textBaseline = "bottom";
    pen.textAlign = "left";
    pen.fillText(t("input"), LEFT, HEIGHT);
    pen.textAlign = "right";
    pen.fillText(t("scores"), width - 4, HEIGHT);
    if (hovered !== null) {
      pen.strokeStyle = context.color("--nn-dim");
      pen.beginPath();
      pen.moveTo(x(hovered), 0);
      pen.lineTo(x(hovered), HEIGHT - FOOT);
      pen.stroke();
    }
  };
  const read = (place: number | null) => {
    hovered = place;
    const growth = context.get("growth");
    const words =
      place === null || !growth
        ? ""
        : `${growth.layers[place]}: ${growth.rows.map((row) => `${rowName(row)} ${short(row.middle[place])}`).join(", ")}`;
    say(reading, words);
    draw();
  };
  context.listen(canvas, "pointermove", (event) => {
    const count = context.get("growth")?.layers.length ?? 0;
    const box = canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - 6);
    read(count ? Math.min(count - 1, Math.max(0, Math.round(share * (count - 1)))) : null);
  });
  context.listen(canvas, "pointerleave", () => read(null));
  context.watch(["growth", "weight_scale"], () => {
    const growth = context.get("growth");
    slider.value = String(Math.log10(context.get("weight_scale")));
    say(shown, short(context.get("weight_scale")));
    waiting.hidden = Boolean(growth);
    body.hidden = !growth;
    if (!growth) return;
    key.replaceChildren(
      ...growth.rows.map((row) => {
        const swatch = h("span", { class: "nn-swatch" });
        swatch.style.background = context.color(inkOf(row));
        return h("span", {}, swatch, rowName(row));
      }),
    );
    facts.replaceChildren(...growth.facts.map((fact) => h("li", {}, fact)));
    canvas.setAttribute("aria-label", growth.facts.join(". "));
    draw();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  const tools = context.hides("weight_scale") ? null : toolbar([control]);
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), waiting, body);
}
