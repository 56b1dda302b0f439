// What hiding one place costs, by the size of the occluder.

import { isTrace } from "../../draw/framed.ts";
import type { Context } from "../../model/context.ts";
import { experimentOf } from "../../model/experiment.ts";
import { isProbability, meaningOf } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { lengthMark, placeOf } from "../../ui/place.ts";
import { t } from "../../ui/text.ts";
import { scoreName } from "../../ui/words.ts";

const EDGE = { left: 34, right: 10, top: 8, bottom: 30 };

export function sizeCurvePane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const empty = h("div", { class: "nn-soft nn-empty" });
  const stage = h("div", { class: "nn-fill" }, canvas, empty);

  const draw = () => {
    const kind = context.get("score");
    const curve = experimentOf(scene).curve;
    const place = experimentOf(scene).curvePlace;
    const label = scene.label(scene.target);
    say(title, place ? t("by occluder size at {place}", { place: placeOf(context, place) }) : t("by occluder size"));
    title.title = context.get("occluder")
      ? t("{label} with occluders of other sizes", { label })
      : t("{label} with occluders of other sizes, at the lowest place of the map", { label });
    canvas.hidden = !curve;
    canvas.setAttribute("aria-label", t("{score} by the occluder's size", { score: scoreName(kind) }));
    empty.hidden = Boolean(curve);
    say(
      empty,
      context.live ? t("computing…") : t("place the occluder to see what larger and smaller ones would do there"),
    );
    if (!curve) return;
    const values = curve.score(kind).map((value) => value ?? Number.NaN);
    const { classes, [kind]: clean } = context.get("scores");
    const before = clean[classes.indexOf(scene.target)] ?? undefined;
    const all = [...values, before ?? Number.NaN].filter(Number.isFinite);
    const shares = kind === "probability" && isProbability(context);
    const [low, high] = shares ? [0, 1] : [Math.min(...all), Math.max(...all, Math.min(...all) + 1e-6)];
    const [least, most] = [curve.sizes[0], curve.sizes[curve.sizes.length - 1]];
    const [width, height] = [stage.clientWidth || 216, stage.clientHeight || 112];
    const pen = sized(canvas, width, height);
    const color = (name: string) => context.color(name);
    pen.font = "11px system-ui, sans-serif";
    const ticks = [low, (low + high) / 2, high].map((tick) => [tick, shares ? fixed(tick, 1) : short(tick)] as const);
    const left = Math.max(EDGE.left, ...ticks.map(([, words]) => pen.measureText(words).width + 6));
    // Sizes by their logarithm: doubling is one step.
    const x = (size: number) =>
      left + (Math.log(size / least) / Math.log(most / least || 2)) * (width - left - EDGE.right);
    const y = (value: number) => EDGE.top + (1 - (value - low) / (high - low)) * (height - EDGE.top - EDGE.bottom);
    pen.fillStyle = color("--nn-dim");
    pen.strokeStyle = color("--nn-line");
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const [tick, words] of ticks) {
      pen.beginPath();
      pen.moveTo(left, Math.round(y(tick)) + 0.5);
      pen.lineTo(width - EDGE.right, Math.round(y(tick)) + 0.5);
      pen.stroke();
      pen.fillText(words, left - 5, y(tick));
    }
    pen.textBaseline = "top";
    pen.textAlign = "center";
    let free = 0;
    for (const size of curve.sizes) {
      const mark = isTrace(context.get("photo")) ? lengthMark(context, size) : String(size);
      const half = pen.measureText(mark).width / 2;
      const at = Math.min(Math.max(x(size), left), width - half);
      if (at - half < free) continue;
      pen.fillText(mark, at, height - EDGE.bottom + 4);
      free = at + half + 6;
    }
    pen.textAlign = "right";
    pen.fillText(isTrace(context.get("photo")) ? "" : t("pixels"), width - EDGE.right, height - 12);
    pen.textAlign = "left";
    const shown = isProbability(context) ? kind : (meaningOf(context).noun ?? "value");
    pen.fillText(scoreName(shown), 0, height - 12);
    if (before !== undefined) {
      pen.setLineDash([3, 3]);
      pen.strokeStyle = color("--nn-ink");
      pen.beginPath();
      pen.moveTo(left, y(before));
      pen.lineTo(width - EDGE.right, y(before));
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.strokeStyle = color("--nn-accent");
    pen.fillStyle = color("--nn-accent");
    pen.lineWidth = 1.5;
    pen.beginPath();
    values.forEach((value, index) => {
      if (index) pen.lineTo(x(curve.sizes[index]), y(value));
      else pen.moveTo(x(curve.sizes[index]), y(value));
    });
    pen.stroke();
    values.forEach((value, index) => {
      const now = curve.sizes[index] === context.get("size");
      pen.beginPath();
      pen.arc(x(curve.sizes[index]), y(value), now ? 4 : 2, 0, 2 * Math.PI);
      pen.fill();
    });
    const words = curve.sizes.map((size, index) => `${size}: ${short(values[index])}`).join(", ");
    canvas.setAttribute(
      "aria-label",
      t("{score} of {label} by the occluder's size: {values}", { score: scoreName(kind), label, values: words }),
    );
    canvas.title = t("the dashed line is the image as it is; the large dot is the chosen size");
  };
  context.onTheme(draw);
  context.watch(
    [
      "size_curve",
      "occluder",
      "occlusion_map",
      "target",
      "score",
      "scores",
      "meaning",
      "size",
      "fill",
      "shape",
      "labels",
    ],
    draw,
  );
  onResize(context, stage, draw);
  return h("div", { class: "nn-grows" }, title, stage);
}
