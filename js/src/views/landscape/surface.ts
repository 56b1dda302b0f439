// The loss in a plane as a surface, to turn by dragging or with the arrow keys.

import { colorOf, css } from "../../draw/colors.ts";
import type { Context } from "../../model/context.ts";
import { heightsOf } from "../../model/landscape.ts";
import type { Scene } from "../../model/scene.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const HEIGHT = 300;
const TURN = Math.PI / 24;
const [LOWEST, HIGHEST] = [0.15, 1.35];
const BRIGHTEST = 0.92;

export function surfacePane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("surface"));
  const canvas = h("canvas", { class: "nn-curve nn-turned", role: "application", tabindex: 0 });
  const about = h("div", { class: "nn-soft" });
  const stage = h("div", {}, canvas);
  const body = h("div", {}, title, stage, about);
  let [turn, tilt, width] = [0.7, 0.7, 320];
  let dragged: [x: number, y: number] | null = null;

  const draw = () => {
    const found = context.get("landscape");
    const heights = found && found.y.length > 1 ? heightsOf(found) : null;
    body.hidden = !heights; // along one direction there is none
    if (!heights) return;
    const pen = sized(canvas, width, HEIGHT);
    canvas.style.width = `${width}px`;
    const { columns, rows, values } = heights;
    const size = Math.min(width / 1.5, HEIGHT / 1.35);
    const [cosine, sine] = [Math.cos(turn), Math.sin(turn)];
    /** Where a point of the grid is drawn, and how far away it is. */
    const project = (column: number, row: number): [x: number, y: number, depth: number] => {
      const [u, v] = [column / (columns - 1) - 0.5, row / (rows - 1) - 0.5];
      const [right, away] = [u * cosine - v * sine, u * sine + v * cosine];
      const up = values[row * columns + column] * 0.6 - 0.3;
      const down = away * Math.sin(tilt) * -1 - up * Math.cos(tilt);
      return [width / 2 + right * size, HEIGHT / 2 + down * size, away];
    };
    const table = scene.table([0, 1]);
    const faces: { corners: [number, number, number][]; height: number; depth: number }[] = [];
    for (let row = 0; row + 1 < rows; row++)
      for (let column = 0; column + 1 < columns; column++) {
        const corners = [
          project(column, row),
          project(column + 1, row),
          project(column + 1, row + 1),
          project(column, row + 1),
        ];
        const at = row * columns + column;
        const height = (values[at] + values[at + 1] + values[at + columns] + values[at + columns + 1]) / 4;
        faces.push({ corners, height, depth: corners.reduce((sum, corner) => sum + corner[2], 0) });
      }
    faces.sort((one, other) => other.depth - one.depth);
    pen.lineWidth = 0.5;
    for (const { corners, height } of faces) {
      pen.beginPath();
      for (const [x, y] of corners) pen.lineTo(x, y);
      pen.closePath();
      pen.fillStyle = css(colorOf(BRIGHTEST * height, [0, 1], table));
      pen.fill();
      pen.strokeStyle = "rgb(255 255 255 / 35%)";
      pen.stroke();
    }
    const range = t("loss {low} to {high}", { low: short(heights.least), high: short(heights.most) });
    const scale = heights.log ? t("height: {range}, logarithmic", { range }) : t("height: {range}", { range });
    say(about, scale);
    const what = t("surface of the loss; arrow keys turn it");
    canvas.setAttribute("aria-label", `${what}. ${scale}`);
  };
  const move = (across: number, down: number) => {
    turn += across;
    tilt = Math.min(HIGHEST, Math.max(LOWEST, tilt + down));
    draw();
  };
  context.listen(canvas, "pointerdown", (event) => {
    dragged = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  context.listen(canvas, "pointermove", (event) => {
    if (!dragged) return;
    move((event.clientX - dragged[0]) / 120, (event.clientY - dragged[1]) / 160);
    dragged = [event.clientX, event.clientY];
  });
  context.listen(canvas, "pointerup", () => {
    dragged = null;
  });
  context.listen(canvas, "keydown", (event) => {
    const turns: Record<string, [number, number]> = {
      ArrowLeft: [-TURN, 0],
      ArrowRight: [TURN, 0],
      ArrowUp: [0, TURN],
      ArrowDown: [0, -TURN],
    };
    const by = turns[event.key];
    if (!by) return;
    event.preventDefault();
    move(...by);
  });
  context.watch(["landscape"], draw);
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = Math.max(200, stage.clientWidth);
    draw();
  });
  return body;
}
