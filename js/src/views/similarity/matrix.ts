// Linear CKA of all pairs of layers. A pair that is no more alike than shuffled inputs has a cross.

import { colorOf, css, inkOn } from "../../draw/colors.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { fixed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const LARGEST = 48;
const MOST = 480;
/** Room for the names of layers, at most. */
const NAMES = 84;
const FONT = "10px system-ui, sans-serif";
const LEGIBLE = 12;

export function matrixPane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("similarity of layers"));
  title.title = t("linear centred kernel alignment: 1 where the values differ by a rotation and a factor only");
  const empty = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const canvas = h("canvas", { class: "nn-curve", role: "application", tabindex: 0 });
  const axes = h("div", { class: "nn-soft" });
  const reading = h("div", { class: "nn-soft nn-line", "aria-live": "polite" });
  const about = h("div", { class: "nn-answer" });
  const stage = h("div", {}, canvas, axes, reading, about);
  let width = 320;
  let cell = LARGEST;
  let room = NAMES;
  let at: [row: number, column: number] = [0, 0];

  const draw = () => {
    const found = context.get("similarity");
    empty.hidden = Boolean(found);
    stage.hidden = !found;
    if (!found) return;
    const [rows, columns] = [found.first.length, found.second.length];
    room = Math.min(NAMES, 10 + longest([...found.first, ...found.second]));
    cell = Math.max(4, Math.min(LARGEST, (Math.min(width, MOST) - room) / Math.max(rows, columns)));
    const [wide, high] = [room + columns * cell, rows * cell + room];
    const pen = sized(canvas, wide, high);
    canvas.style.width = `${wide}px`;
    const table = scene.table([0, 1]);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const value = found.values[row][column];
        const color = colorOf(value ?? 0, [0, 1], table);
        // From bottom to top, as layers are drawn elsewhere in such figures: the first layers are at the lower left.
        const [x, y] = [room + column * cell, (rows - 1 - row) * cell];
        pen.fillStyle = css(color);
        pen.fillRect(x, y, cell + 0.5, cell + 0.5);
        if (value !== null && value > (found.high[row][column] ?? 0)) continue;
        pen.strokeStyle = inkOn(color);
        pen.lineWidth = 1;
        pen.beginPath();
        pen.moveTo(x + cell * 0.3, y + cell * 0.3);
        pen.lineTo(x + cell * 0.7, y + cell * 0.7);
        pen.moveTo(x + cell * 0.7, y + cell * 0.3);
        pen.lineTo(x + cell * 0.3, y + cell * 0.7);
        pen.stroke();
      }
    at = [Math.min(at[0], rows - 1), Math.min(at[1], columns - 1)];
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 2;
    pen.strokeRect(room + at[1] * cell + 1, (rows - 1 - at[0]) * cell + 1, cell - 2, cell - 2);
    nameLayers(pen, found.first, found.second);
    say(axes, t("↑ layers of this model, → layers of the other one; dark 0, bright 1, ✕ no more alike than chance"));
    say(about, found.words);
    read();
  };
  /** The names beside rows and below columns: as many as are not closer than a line of text. */
  const nameLayers = (pen: CanvasRenderingContext2D, first: string[], second: string[]) => {
    const every = Math.ceil(LEGIBLE / cell);
    pen.font = FONT;
    pen.fillStyle = context.color("--nn-dim");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (let row = 0; row < first.length; row += every)
      pen.fillText(clipped(pen, first[row]), room - 4, (first.length - row - 0.5) * cell);
    for (let column = 0; column < second.length; column += every) {
      pen.save();
      pen.translate(room + (column + 0.5) * cell, first.length * cell + 4);
      pen.rotate(-Math.PI / 2);
      pen.fillText(clipped(pen, second[column]), 0, 0);
      pen.restore();
    }
  };
  const read = () => {
    const found = context.get("similarity");
    if (!found) return;
    const [row, column] = at;
    const text = t("{first} and {second}: {value}; shuffled {null}, at most {high}", {
      first: found.first[row],
      second: found.second[column],
      value: words(found.values[row][column]),
      null: words(found.null[row][column]),
      high: words(found.high[row][column]),
    });
    say(reading, text);
    canvas.setAttribute("aria-label", text);
  };
  const choose = (row: number, column: number) => {
    const found = context.get("similarity");
    if (!found || row < 0 || column < 0 || row >= found.first.length || column >= found.second.length) return;
    at = [row, column];
    const layer = found.first[row];
    if (layer === found.second[column] && context.get("changed_layers").includes(layer))
      context.set({ changed_layer: layer });
    draw();
  };
  context.listen(canvas, "click", (event) => {
    const found = context.get("similarity");
    if (!found) return;
    const area = canvas.getBoundingClientRect();
    const row = found.first.length - 1 - Math.floor((event.clientY - area.top) / cell);
    choose(row, Math.floor((event.clientX - area.left - room) / cell));
  });
  context.listen(canvas, "keydown", (event) => {
    const moves: Record<string, [number, number]> = {
      ArrowUp: [1, 0],
      ArrowDown: [-1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const by = moves[event.key];
    if (!by) return;
    event.preventDefault();
    choose(at[0] + by[0], at[1] + by[1]);
  });
  context.watch(["similarity"], draw);
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = Math.max(160, stage.clientWidth);
    draw();
  });
  return h("div", {}, title, empty, stage);
}

const words = (value: number | null) => (value === null ? "–" : fixed(value, 2));

/** The width of the longest name. */
function longest(names: string[]): number {
  const pen = h("canvas").getContext("2d")!;
  pen.font = FONT;
  return Math.max(...names.map((name) => pen.measureText(name).width));
}

/** The end of a name, which tells layers apart, where all of it does not fit. */
function clipped(pen: CanvasRenderingContext2D, name: string): string {
  let text = name;
  while (text.length > 3 && pen.measureText(text).width > NAMES - 8) text = `…${text.slice(2)}`;
  return text;
}
