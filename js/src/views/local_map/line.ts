// The straight line to another image: the scores, the class, and the mixture of the two.

import { categoryColor } from "../../draw/categories.ts";
import { u8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { RowPhoto } from "../../model/traits.ts";
import { h, onResize, pictured, say, sized } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const HEIGHT = 150;
const STRIP = 14;
const LEFT = 40;
const PICTURE = 128;

export function linePane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("on the way to another image"));
  const waiting = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const canvas = h("canvas", { class: "nn-curve nn-along", tabindex: 0, role: "slider" });
  const stage = h("div", { class: "nn-grow" }, canvas);
  const mixture = h("canvas", { class: "nn-mixture", role: "img", "aria-label": t("the input at this place") });
  const about = h("div", { class: "nn-soft" });
  const reading = h("div", { class: "nn-line", "aria-live": "polite" });
  const key = h("div", { class: "nn-soft nn-keys" });
  const body = h("div", { class: "nn-line-body" }, mixture, stage);
  let width = 400;
  let other: { raw: RowPhoto; image: HTMLImageElement } | null = null;

  const place = () => {
    const line = context.get("line");
    if (!line) return 0;
    const along = context.get("along");
    const after = line.at.findIndex((at) => at > along);
    return after < 0 ? line.at.length - 1 : Math.max(0, after - 1);
  };
  const mix = () => {
    const image = scene.photo.image;
    const { width: wide, height: high } = context.get("photo");
    if (!image) return;
    const [w, tall] = [PICTURE, (PICTURE * high) / wide];
    const pen = sized(mixture, w, tall);
    mixture.style.width = `${w}px`;
    // The input is mixed before or after normalisation alike, for the shares add up to 1.
    pen.globalAlpha = 1;
    pen.drawImage(image, 0, 0, w, tall);
    pen.globalAlpha = context.get("along");
    const end = other?.image;
    if (end?.complete && end.naturalWidth) pen.drawImage(end, 0, 0, w, tall);
    else if (!other) {
      pen.fillStyle = "rgb(128 128 128)";
      pen.fillRect(0, 0, w, tall);
    }
  };
  const draw = () => {
    const line = context.get("line");
    if (!line) return;
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const all = line.scores.flat();
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const x = (at: number) => LEFT + at * (width - LEFT - 4);
    const y = (score: number) => 4 + (1 - (score - low) / (high - low || 1)) * (HEIGHT - STRIP - 24);
    const colour = (index: number, opacity = 1) => {
      const which = line.classes.indexOf(index);
      return which < 0 ? context.color("--nn-line") : categoryColor(which, opacity);
    };
    for (const [at, best] of line.best.entries()) {
      const [from, to] = [line.at[at], line.at[at + 1] ?? 1];
      pen.fillStyle = colour(best, 0.7);
      pen.fillRect(x(from), HEIGHT - STRIP, x(to) - x(from) + 0.5, STRIP);
    }
    pen.lineWidth = 1.75;
    for (const [which, scores] of line.scores.entries()) {
      pen.strokeStyle = categoryColor(which);
      pen.beginPath();
      for (const [at, score] of scores.entries()) pen.lineTo(x(line.at[at]), y(score));
      pen.stroke();
    }
    pen.font = "10px system-ui, sans-serif";
    pen.fillStyle = context.color("--nn-dim");
    pen.textAlign = "right";
    pen.textBaseline = "top";
    pen.fillText(short(high, 2), LEFT - 4, 2);
    pen.textBaseline = "bottom";
    pen.fillText(short(low, 2), LEFT - 4, HEIGHT - STRIP - 16);
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x(context.get("along")), 0);
    pen.lineTo(x(context.get("along")), HEIGHT);
    pen.stroke();
  };
  const read = () => {
    const line = context.get("line");
    if (!line) return;
    const at = place();
    const best = line.best[at];
    const which = line.classes.indexOf(best);
    const score = which < 0 ? "" : ` ${short(line.scores[which][at])}`;
    const words = `${percent(context.get("along"))}: ${scene.label(best)}${score}`;
    say(reading, words);
    canvas.setAttribute("aria-valuenow", String(Math.round(context.get("along") * 100)));
    canvas.setAttribute("aria-valuetext", words);
    mix();
    draw();
  };
  canvas.setAttribute("aria-valuemin", "0");
  canvas.setAttribute("aria-valuemax", "100");
  canvas.setAttribute("aria-label", t("place on the line"));
  const move = (along: number) => context.set({ along: Math.min(1, Math.max(0, Number(along.toFixed(3)))) });
  const from = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect();
    move((event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - 4));
  };
  context.listen(canvas, "pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from(event);
  });
  context.listen(canvas, "pointermove", (event) => {
    if (event.buttons) from(event);
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    move(context.get("along") + step);
  });
  scene.photo.onLoad(mix);
  context.watch(["line", "labels"], () => {
    const line = context.get("line");
    waiting.hidden = Boolean(line);
    body.hidden = !line;
    if (!line) return;
    const raw = line.other;
    if (!raw) other = null;
    else if (raw !== other?.raw) other = { raw, image: pictured(u8(raw.data), mix) };
    say(title, line.other_name ? t("on the way to {name}", { name: line.other_name }) : t("on the way to plain grey"));
    say(about, line.about);
    key.replaceChildren(
      ...line.classes.map((index, which) => {
        const swatch = h("span", { class: "nn-swatch" });
        swatch.style.background = categoryColor(which);
        return h("span", {}, swatch, scene.label(index));
      }),
    );
  });
  context.watch(["line", "along", "labels", "photo"], read);
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  return h("div", {}, title, waiting, about, body, key, reading);
}
