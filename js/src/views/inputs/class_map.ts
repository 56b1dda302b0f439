// The class of every place over the picture: a click makes a place the target, a drag a region.

import { categoryColor } from "../../draw/categories.ts";
import { framed, strokeEvenly } from "../../draw/framed.ts";
import { u8, u16 } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { toggle } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { percent } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { arrow, cellOn, pointOn, within } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";

type Box = [top: number, left: number, bottom: number, right: number];

export function classMapPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const legend = h("div", { class: "nn-row" });
  const reading = h("div", { class: "nn-soft", "aria-live": "polite" });
  const all = h("button", { type: "button" }, t("all places"));
  let from: [number, number] | null = null;
  let drawn: Box | null = null;
  let line: [row: number, column: number][] = [];
  const free = toggle(t("draw freely"), (on) => free.on(on));
  free.title = t("dragging draws a line around a region, instead of a box");
  const said = h("div", { class: "nn-said" }, legend, reading, h("div", { class: "nn-row" }, free, all));
  const pane = h("div", { class: "nn-classes-of-places" }, heading(t("classes of the places")), canvas, said);

  const sent = () => context.get("class_map") ?? null;
  const ask = (box: Box | null) => context.set({ asked_place: { box: box && [...box] } });

  const draw = () => {
    const map = sent();
    if (!map) return;
    const { width, height } = context.get("photo");
    const pen = framed(canvas, context.get("photo"));
    if (scene.photo.image) {
      pen.filter = "grayscale(1)";
      pen.drawImage(scene.photo.image, 0, 0, width, height);
      pen.filter = "none";
    }
    const classes = u16(map.data);
    const [down, across] = [height / map.rows, width / map.columns];
    for (let row = 0; row < map.rows; row++) {
      // Places of one class beside each other are filled at once.
      for (let column = 0; column < map.columns; ) {
        const index = classes[row * map.columns + column];
        let end = column + 1;
        while (end < map.columns && classes[row * map.columns + end] === index) end++;
        pen.fillStyle = categoryColor(index, 0.55);
        pen.fillRect(column * across, row * down, (end - column) * across, down);
        column = end;
      }
    }
    const box = drawn ?? (map.box as Box | null);
    pen.beginPath();
    if (line.length) for (const [row, column] of line) pen.lineTo(column * across, row * down);
    else if (!drawn && map.region) edges(pen, u8(map.region), map.columns, across, down);
    else if (box)
      pen.rect(box[1] * across, box[0] * down, (box[3] - box[1] + 1) * across, (box[2] - box[0] + 1) * down);
    else return;
    strokeEvenly(pen, 2.5, "#fff");
    strokeEvenly(pen, 1.5, "#000", [4, 4]);
  };

  /** The sides of the places of a region beyond which there is none. */
  const edges = (pen: CanvasRenderingContext2D, region: Uint8Array, columns: number, across: number, down: number) => {
    region.forEach((inside, at) => {
      if (!inside) return;
      const [row, column] = [Math.floor(at / columns), at % columns];
      const side = (other: number | undefined, y0: number, x0: number, y1: number, x1: number) => {
        if (other) return;
        pen.moveTo(x0 * across, y0 * down);
        pen.lineTo(x1 * across, y1 * down);
      };
      side(region[at - columns], row, column, row, column + 1);
      side(region[at + columns], row + 1, column, row + 1, column + 1);
      side(column ? region[at - 1] : 0, row, column, row + 1, column);
      side(column + 1 < columns ? region[at + 1] : 0, row, column + 1, row + 1, column + 1);
    });
  };

  const tell = () => {
    const map = sent();
    pane.hidden = !map;
    if (!map) return;
    legend.replaceChildren(
      ...map.classes.map((index, at) => {
        const patch = h("span", { class: "nn-patch" });
        patch.style.background = categoryColor(index);
        return h("span", { class: "nn-control" }, patch, `${scene.label(index)} ${percent(map.shares[at])}`);
      }),
    );
    const count = map.region ? u8(map.region).reduce((sum, inside) => sum + inside, 0) : 0;
    const words = count
      ? t("the target is the sum over {count} places", { count })
      : map.box
        ? map.box[0] === map.box[2] && map.box[1] === map.box[3]
          ? t("the target is read at ({row}, {column})", { row: map.box[0], column: map.box[1] })
          : t("the target is the sum over rows {top} to {bottom}, columns {left} to {right}", {
              top: map.box[0],
              left: map.box[1],
              bottom: map.box[2],
              right: map.box[3],
            })
        : t("the target is the mean over all places");
    say(reading, words);
    all.hidden = !map.box || !context.live;
    free.hidden = !context.live;
    canvas.setAttribute("aria-label", `${t("classes of the places")}: ${legend.textContent}; ${words}`);
    canvas.title = context.live
      ? t("click a place to explain its class there, or drag over a region; arrow keys move the place")
      : needsKernel();
  };

  const placeAt = (event: PointerEvent): [number, number] => {
    const map = sent()!;
    return cellOn(canvas, event, map.rows, map.columns);
  };
  /** Row and column with their fractions. */
  const exactly = (event: PointerEvent): [number, number] => {
    const map = sent()!;
    return pointOn(canvas, event, map.rows, map.columns);
  };
  const between = ([y, x]: [number, number], [row, column]: [number, number]): Box => [
    Math.min(y, row),
    Math.min(x, column),
    Math.max(y, row),
    Math.max(x, column),
  ];
  context.listen(canvas, "pointerdown", (event: PointerEvent) => {
    if (!context.live || !sent()) return;
    canvas.setPointerCapture?.(event.pointerId);
    from = placeAt(event);
    drawn = between(from, from);
    line = free.pressed ? [exactly(event)] : [];
    draw();
  });
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    if (!from) return;
    if (free.pressed) line.push(exactly(event));
    else drawn = between(from, placeAt(event));
    draw();
  });
  context.listen(canvas, "pointerup", (event: PointerEvent) => {
    if (!from) return;
    if (line.length > 2) context.set({ asked_place: { box: null, outline: line } });
    else ask(between(from, placeAt(event)));
    from = null;
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const map = sent();
    const by = arrow(event.key);
    if (!map || !context.live) return;
    if (event.key === "Escape") ask(null);
    else if (by) {
      const [row, column] = map.box ? [map.box[0], map.box[1]] : [map.rows >> 1, map.columns >> 1];
      const to: [number, number] = [within(row + by[0], map.rows), within(column + by[1], map.columns)];
      ask(between(to, to));
    } else return;
    event.preventDefault();
  });
  context.listen(all, "click", () => ask(null));
  scene.photo.onLoad(draw);
  context.onTheme(draw);
  context.watch(["class_map", "photo", "labels"], () => {
    drawn = null;
    line = [];
    draw();
    tell();
  });
  return pane;
}
