// All cells of the layer over the text: a row for each cell, a column for each token.

import { codeColors, type Limits } from "../../draw/colors.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { type Cells, cellLimits, cellOrder, cellsOf, tokenWords } from "../../model/tokens.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized, textured } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { cellOn } from "../../ui/pointer.ts";
import { plural, t } from "../../ui/text.ts";

export function cellsPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-cell-map", tabindex: 0, role: "application" });
  const stage = h("div", { class: "nn-stage" }, canvas);
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow" });
  const sort = choice(
    t("sort"),
    [
      ["index", t("index")],
      ["variation", t("variation")],
      ["similarity", t("similarity")],
      ["found", t("the property")],
    ],
    (value) => context.set({ cell_order: value }),
  );
  let [width, height] = [480, 200];
  let places: Int32Array = new Int32Array();
  let picture: HTMLCanvasElement | null = null;
  let pictureOf: unknown[] = [];

  const order = (cells: Cells) =>
    cellOrder(cells, context.get("cell_order"), context.get("unit"), context.get("found")?.rows ?? []);

  const paint = (cells: Cells) => {
    // Sorted by similarity, the picture depends on the chosen cell.
    const chosen = context.get("cell_order") === "similarity" ? context.get("unit") : -1;
    const rows = context.get("cell_order") === "found" ? context.get("found") : null;
    const made = [
      cells,
      context.get("scale"),
      context.get("limits"),
      context.get("cell_order"),
      chosen,
      rows,
      context.dark,
    ];
    if (made.every((item, at) => item === pictureOf[at])) return;
    pictureOf = made;
    places = order(cells);
    const { columns, count } = cells;
    const pixels = new Uint32Array(count * columns);
    for (let row = 0; row < count; row++) {
      const cell = places[row];
      const limits: Limits = cellLimits(context, cells, cell);
      const colors = codeColors(cells.low[cell], cells.high[cell], limits, scene.table(limits));
      for (let column = 0; column < columns; column++)
        pixels[row * columns + column] = colors[cells.codes[cell * columns + column]];
    }
    picture = textured(pixels, count, columns);
  };

  const draw = () => {
    const cells = cellsOf(context.get("cells"));
    if (!cells || !picture) return;
    const pen = sized(canvas, width, height);
    pen.imageSmoothingEnabled = cells.columns > width * 2 || cells.count > height * 2;
    pen.drawImage(picture, 0, 0, width, height);
    const [high, wide] = [height / cells.count, width / cells.tokens];
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 1.5;
    const row = places.indexOf(context.get("unit"));
    pen.strokeRect(0.75, row * high - 1, width - 1.5, Math.max(3, high + 2));
    const line = (token: number, color: string) => {
      pen.strokeStyle = color;
      pen.strokeRect(token * wide, 0.5, Math.max(1, wide), height - 1);
    };
    pen.lineWidth = 1;
    const position = context.get("position");
    if (position) line(position[1], context.color("--nn-accent"));
    if (scene.selected.hover) line(scene.selected.hover[1], context.color("--nn-ink"));
  };
  const repaint = () => {
    const cells = cellsOf(context.get("cells"));
    if (cells) paint(cells);
    draw();
  };
  const at = (event: MouseEvent) => {
    const cells = cellsOf(context.get("cells"));
    if (!cells) return null;
    const [place, token] = cellOn(canvas, event, cells.count, cells.tokens);
    return { cell: places[place], token, cells };
  };
  context.listen(canvas, "pointermove", (event) => {
    const found = at(event);
    if (!found) return;
    scene.selected.hover = [0, found.token];
    const value = found.cells.at(found.cell, Math.floor(found.token / found.cells.step));
    const words = { cell: found.cell, value: short(value), token: tokenWords(context, found.token) };
    say(reading, t("cell {cell}: ≈ {value} at {token}", words));
  });
  context.listen(canvas, "pointerleave", () => {
    scene.selected.hover = null;
    say(reading, "");
  });
  context.listen(canvas, "click", (event) => {
    const found = at(event);
    if (found) context.set({ unit: found.cell, position: [0, found.token] });
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (!by || !places.length) return;
    event.preventDefault();
    const row = places.indexOf(context.get("unit")) + by;
    context.set({ unit: places[Math.min(places.length - 1, Math.max(0, row))] });
  });
  context.watch(["cells", "scale", "limits", "cell_order", "unit", "found"], repaint);
  context.watch(["position"], draw);
  context.watch(["cells", "cell_order", "unit"], () => {
    const cells = cellsOf(context.get("cells"));
    if (!cells) return;
    const counted = plural("{count} cell", "{count} cells", cells.count);
    const words = t("{cells} of {layer} over the text", { cells: counted, layer: cells.layer });
    say(title, words);
    title.title =
      cells.step > 1 ? t("a column is {step} tokens: the value of largest magnitude", { step: cells.step }) : "";
    sort.select.value = context.get("cell_order");
    canvas.setAttribute("aria-label", t("{words}; cell {cell} is selected", { words, cell: context.get("unit") }));
    canvas.title = t("click to choose a cell and a token");
  });
  context.watch(["layer", "cells"], () =>
    canvas.classList.toggle("nn-stale", cellsOf(context.get("cells"))?.layer !== context.get("layer")),
  );
  scene.selected.onHover(draw);
  context.onTheme(repaint);
  onResize(context, stage, () => {
    [width, height] = [stage.clientWidth, stage.clientHeight || height];
    draw();
  });
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, toolbar([!context.hides("order") && sort])),
    stage,
    h("div", { class: "nn-head" }, reading),
  );
}
