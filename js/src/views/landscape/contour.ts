// The loss in a plane of the weights, from above: colours, lines of equal loss, and the path of the training. Along one
// direction it is a curve.

import { colorOf } from "../../draw/colors.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import { contour, type Heights, heightsOf, lossAt } from "../../model/landscape.ts";
import type { Scene } from "../../model/scene.ts";
import type { LandscapePayload, PlotPayload, Traits } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized, textured } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plotBox } from "../../ui/plot.ts";
import { t, whole } from "../../ui/text.ts";
import { showDataWork, workLine } from "../../ui/work.ts";

type Directions = Traits["directions"];
const LEVELS = 9;
const SPANS = [0.1, 0.2, 0.5, 1, 2, 5];
const SIDE = 440;
/** The colours end before the brightest, so that lines and words can be read on them. */
const BRIGHTEST = 0.92;

export function contourPane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("loss around the weights"));
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const axes = h("div", { class: "nn-soft" });
  const plane = h("div", {}, canvas, axes);
  const box = plotBox(context);
  const reading = h("div", { class: "nn-soft nn-one-line nn-name" });
  const about = h("div", { class: "nn-answer", "aria-live": "polite" });
  const stage = h("div", {}, plane, box.element);
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );
  const line = h("div", { class: "nn-now-line" }, ...work.parts);
  let width = 320;
  let heights: Heights | null = null;
  let side = SIDE;

  const names: [Directions, string][] = [
    ["one", t("one random direction")],
    ["two", t("two random directions")],
    ["path", t("the path of the training")],
  ];
  const pick = choice(t("directions"), names, (directions) => context.set({ directions }));
  const spans = choice(
    t("span"),
    SPANS.map((value): [string, string] => [String(value), `± ${short(value)}`]),
    (value) => context.set({ span: Number(value) }),
  );
  spans.title = t("how far each direction is followed, in lengths of the weights");

  const draw = () => {
    const found = context.get("landscape");
    const isPlane = Boolean(found && found.y.length > 1);
    plane.hidden = !isPlane;
    box.element.hidden = !found || isPlane;
    if (!found) return;
    if (!isPlane) return box.show(curveOf(found), width, 240);
    heights = heightsOf(found);
    if (!heights) return;
    side = Math.min(width, SIDE);
    const pen = sized(canvas, side, side);
    canvas.style.width = `${side}px`;
    const { columns, rows, values } = heights;
    const [wide, high] = [side / columns, side / rows];
    const table = scene.table([0, 1]);
    const pixels = new Uint32Array(rows * columns);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        pixels[(rows - 1 - row) * columns + column] = colorOf(
          BRIGHTEST * values[row * columns + column],
          [0, 1],
          table,
        );
    pen.imageSmoothingQuality = "high";
    pen.drawImage(textured(pixels, rows, columns), 0, 0, side, side);
    // Points lie in the middle of their squares.
    const placeX = (column: number) => (column + 0.5) * wide;
    const placeY = (row: number) => side - (row + 0.5) * high;
    pen.strokeStyle = "rgb(255 255 255 / 55%)";
    pen.lineWidth = 1;
    for (let level = 1; level < LEVELS; level++) {
      pen.beginPath();
      for (const [x1, y1, x2, y2] of contour(heights, level / LEVELS)) {
        pen.moveTo(placeX(x1), placeY(y1));
        pen.lineTo(placeX(x2), placeY(y2));
      }
      pen.stroke();
    }
    const across = (value: number, steps: number[]) =>
      ((value - steps[0]) / (steps[steps.length - 1] - steps[0])) * (steps.length - 1);
    pen.beginPath();
    for (const { x, y } of found.path) pen.lineTo(placeX(across(x, found.x)), placeY(across(y, found.y)));
    for (const [ink, thick] of [
      ["rgb(0 0 0 / 45%)", 4],
      ["#fff", 1.5],
    ] as const) {
      pen.strokeStyle = ink;
      pen.lineWidth = thick;
      pen.stroke();
    }
    pen.fillStyle = "#fff";
    for (const { x, y } of found.path) dot(pen, placeX(across(x, found.x)), placeY(across(y, found.y)), 2.5);
    pen.strokeStyle = "#000";
    pen.fillStyle = "#fff";
    pen.lineWidth = 1;
    // The model: the end of the path, or the middle.
    dot(pen, placeX(across(0, found.x)), placeY(across(0, found.y)), 4.5);
    pen.stroke();
    const names = { first: found.names[0], second: found.names[1] };
    const words = found.path.length
      ? t("→ {first}, ↑ {second}; the large dot is the last checkpoint", names)
      : t("→ {first}, ↑ {second}; the dot is the model", names);
    say(axes, words);
    canvas.setAttribute("aria-label", found.words);
  };
  context.listen(canvas, "pointermove", (event) => {
    const found = context.get("landscape");
    if (!found || !heights) return;
    const area = canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - area.left) / side) * heights.columns);
    const row = heights.rows - 1 - Math.floor(((event.clientY - area.top) / side) * heights.rows);
    if (column < 0 || row < 0 || column >= heights.columns || row >= heights.rows) return;
    const loss = lossAt(heights, heights.values[row * heights.columns + column]);
    say(
      reading,
      t("{first}, {second}: loss {loss}", {
        first: short(found.x[column]),
        second: short(found.y[row]),
        loss: short(loss),
      }),
    );
  });
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  context.watch(["landscape", "directions", "span", "has_path"], () => {
    const found = context.get("landscape");
    const held = context.choices("directions");
    for (const option of pick.select.options) {
      const there = held ? held.includes(option.value) || option.value === context.get("directions") : true;
      option.disabled = !there || (option.value === "path" && !context.get("has_path"));
    }
    pick.select.value = context.get("directions");
    const span = context.get("span");
    if (!SPANS.includes(span) && ![...spans.select.options].some((option) => Number(option.value) === span))
      spans.select.append(h("option", { value: span }, `± ${short(span)}`));
    spans.select.value = String(span);
    spans.select.disabled = !context.live || context.get("directions") === "path";
    if (!context.live) spans.title = needsKernel();
    say(about, found?.words ?? "");
    const done = found?.share ?? 0;
    line.hidden = !found || (done === 1 && !found.running && !found.skipped.length);
    showDataWork(work, {
      words: found?.running
        ? t("{count} points", { count: whole(Math.round(done * found.values.length)) })
        : found && done < 1
          ? t("stopped")
          : "",
      share: done,
      running: context.live && Boolean(found?.running),
      canContinue: context.live && Boolean(found) && !found?.running && done < 1,
      skipped: found?.skipped,
    });
    draw();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = Math.max(200, stage.clientWidth);
    draw();
  });
  const tools = toolbar([!context.hides("directions") && pick, !context.hides("span") && spans]);
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), stage, reading, line, about);
}

function dot(pen: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

/** Along one direction: the loss as a chart. */
function curveOf(found: LandscapePayload): PlotPayload {
  const series = { name: t("loss"), kind: "measured" as const, x: found.x, y: found.values, low: null, high: null };
  const model = { ...series, name: t("the model"), kind: "dots" as const, x: [0], y: [found.centre] };
  const known = found.values.filter((value): value is number => value !== null);
  const log_y = known.every((value) => value > 0) && Math.max(...known) / Math.min(...known) > 20;
  return { title: "", x: found.names[0], y: t("loss"), log_x: false, log_y, series: [series, model] };
}
