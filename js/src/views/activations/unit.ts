// One unit enlarged, over the photograph on demand, with its numbers in words.

import { Blend } from "lucide";
import { colorOf } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import type { Context } from "../../model/context.ts";
import type { Mosaic, UnitMap } from "../../model/layer.ts";
import type { Scene } from "../../model/scene.ts";
import { toggle, toolbar } from "../../ui/controls.ts";
import { h, say, sized, textured } from "../../ui/dom.ts";
import { percent, placeWords, reducedWords, short } from "../../ui/format.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { arrow, cellOn, within } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";
import { unitNumber } from "../../ui/unit_number.ts";

const SIDE = 320;

/** `more` are controls that the view adds. */
export function unitPane(context: Context, scene: Scene, more: HTMLElement[] = []): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const of = h("span", { class: "nn-name" });
  const title = heading(
    context.side ? `${context.side} ·` : "",
    context.hides("number") ? "" : unitNumber(context, () => scene.layer.mosaic?.units ?? 1, "mosaic"),
    of,
  );
  const words = h("span", { class: "nn-sr", "aria-live": "polite" });
  const reading = h("span", { class: "nn-soft nn-line nn-name", "aria-live": "polite" });
  const scale = legend();
  const over = toggle(t("over the photograph"), (on) => context.set({ overlay: on }), Blend);

  const draw = () => {
    const [mosaic, map] = [scene.layer.mosaic, scene.layer.unit];
    if (!mosaic || !map) return;
    if (map.rows === 1 && map.columns > 1) {
      drawTrace(mosaic, map);
      return;
    }
    const ratio = Math.min(4, Math.max(0.25, mosaic.height / mosaic.width));
    const [width, height] = ratio > 1 ? [SIDE / ratio, SIDE] : [SIDE, SIDE * ratio];
    const pen = sized(canvas, width, height);
    const limits = scene.layer.limits(mosaic, map.unit);
    const table = scene.table(limits);
    const pixels = new Uint32Array(map.rows * map.columns);
    const seen = context.get("overlay") && scene.photo.image;
    const largest = Math.max(Math.abs(limits[0]), Math.abs(limits[1])) || 1;
    for (let index = 0; index < pixels.length; index++) {
      const value = map.at(index);
      let color = Number.isFinite(value) ? colorOf(value, limits, table) : 0xffd627d6;
      if (seen && Number.isFinite(value)) {
        // Over the photograph, what is near 0 lets it through.
        const alpha = Math.round(225 * Math.min(1, Math.abs(value) / largest));
        color = ((alpha << 24) | (color & 0xffffff)) >>> 0;
      }
      pixels[index] = color;
    }
    const texture = textured(pixels, map.rows, map.columns);
    if (seen) {
      pen.filter = "grayscale(1)";
      pen.drawImage(scene.photo.image!, 0, 0, width, height);
      pen.filter = "none";
    }
    pen.imageSmoothingEnabled = false;
    pen.drawImage(texture, 0, 0, width, height);
    const position = context.get("position");
    if (position && position[0] < mosaic.height && position[1] < mosaic.width) {
      const [cellX, cellY] = [width / mosaic.width, height / mosaic.height];
      pen.lineWidth = 3;
      pen.strokeStyle = "#000";
      const box: [number, number, number, number] = [
        position[1] * cellX,
        position[0] * cellY,
        Math.max(4, cellX),
        Math.max(4, cellY),
      ];
      pen.strokeRect(...box);
      pen.lineWidth = 1.5;
      pen.strokeStyle = "#fff";
      pen.strokeRect(...box);
    }
    scale.show(limits, table, reach());
  };

  const reach = () => ({ unit: t("this unit"), locked: t("locked"), layer: t("whole layer") })[context.get("scale")];

  /** Values along one axis: a line over their colours. */
  const drawTrace = (mosaic: Mosaic, map: UnitMap) => {
    const [width, height, band] = [SIDE, SIDE / 2, 12];
    const pen = sized(canvas, width, height);
    const limits = scene.layer.limits(mosaic, map.unit);
    const table = scene.table(limits);
    const [low, high] = [Math.min(0, limits[0]), limits[1] > limits[0] ? limits[1] : limits[0] + 1];
    const y = (value: number) => (height - band - 6) * (1 - (value - low) / (high - low)) + 3;
    const step = width / map.columns;
    pen.strokeStyle = context.color("--nn-line");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, y(0));
    pen.lineTo(width, y(0));
    pen.stroke();
    pen.strokeStyle = context.color("--nn-ink");
    pen.lineWidth = 1.5;
    pen.beginPath();
    let drawing = false;
    for (let column = 0; column < map.columns; column++) {
      const value = map.at(column);
      const color = Number.isFinite(value) ? colorOf(value, limits, table) : 0xffd627d6;
      pen.fillStyle = `rgb(${color & 255}, ${(color >> 8) & 255}, ${(color >> 16) & 255})`;
      pen.fillRect(column * step, height - band, Math.ceil(step), band);
      if (Number.isFinite(value)) {
        const x = (column + 0.5) * step;
        if (drawing) pen.lineTo(x, y(value));
        else pen.moveTo(x, y(value));
      }
      drawing = Number.isFinite(value);
    }
    pen.stroke();
    const position = context.get("position");
    if (position && position[1] < mosaic.width) {
      pen.strokeStyle = context.color("--nn-accent");
      pen.strokeRect((position[1] * width) / mosaic.width, 0.5, Math.max(2, step), height - 1);
    }
    scale.show(limits, table, reach());
  };

  const tell = () => {
    const [mosaic, map] = [scene.layer.mosaic, scene.layer.unit];
    if (!mosaic || !map) return;
    const { unit } = map;
    over.on(context.get("overlay"));
    over.hidden = map.rows === 1 || context.hides("overlay"); // a line has no place on a photograph
    const [row, column] = [mosaic.peak[2 * unit], mosaic.peak[2 * unit + 1]];
    const sent = context.get("unit_map");
    const named = sent?.class_name && sent.layer === mosaic.layer && sent.unit === unit ? sent.class_name : "";
    const reduced = sent && sent.unit === unit && sent.step > 1 ? reducedWords(sent.step) : "";
    const layer = mosaic.layer;
    const dead = mosaic.zeros[unit] === 1 ? t("0 everywhere on this image") : "";
    const numbers = {
      row,
      column,
      max: short(mosaic.high[unit]),
      mean: short(mosaic.mean[unit]),
      zeros: percent(mosaic.zeros[unit]),
      place: placeWords((row + 0.5) / mosaic.height, (column + 0.5) / mosaic.width),
    };
    const values = dead || t("max {max} at ({row}, {column}), {zeros} zeros, mean {mean}", numbers);
    facts = [values, reduced].filter(Boolean).join(" · ");
    const whose = context.hides("number") ? t("unit {unit} of {layer}", { unit, layer }) : t("of {layer}", { layer });
    say(of, named ? `${whose}: ${named}` : whose);
    const who = named ? `${unit} (${named})` : unit;
    const name = t("unit {unit} of {layer}", { unit: who, layer });
    title.title = name;
    const peak = dead || t("strongest at row {row}, column {column} ({max}), {place}; {zeros} zeros", numbers);
    const text = `${name}: ${[peak, reduced].filter(Boolean).join("; ")}`;
    say(words, text);
    canvas.setAttribute("aria-label", text);
    canvas.title = t("{text}; click to select the position", { text });
    const position = context.get("position");
    if (position) read(position[0], position[1]);
    else tellFacts();
  };

  let facts = "";
  const tellFacts = () => {
    say(reading, facts);
    reading.title = facts;
  };
  const read = (row: number, column: number) => {
    const map = scene.layer.unit;
    if (!map) return;
    const value = map.at(Math.floor(row / map.step) * map.columns + Math.floor(column / map.step));
    say(
      reading,
      t("{value} at ({position})", {
        value: `${map.exact ? "" : "≈ "}${short(value)}`,
        position: `${row}, ${column}`,
      }),
    );
  };
  const positionOf = (event: PointerEvent): [number, number] | null => {
    const mosaic = scene.layer.mosaic;
    return mosaic && cellOn(canvas, event, mosaic.height, mosaic.width);
  };
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    const hovered = positionOf(event);
    scene.selected.hover = hovered;
    if (hovered) read(...hovered);
  });
  context.listen(canvas, "pointerleave", () => {
    scene.selected.hover = null;
    tell();
  });
  context.listen(canvas, "pointerdown", (event: PointerEvent) => context.set({ position: positionOf(event) }));
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const mosaic = scene.layer.mosaic;
    const by = arrow(event.key);
    if (event.key === "Escape") context.set({ position: null });
    else if (event.key === "o") context.set({ overlay: !context.get("overlay") });
    else if (by && mosaic) {
      const unit = context.get("unit");
      const [row, column] = context.get("position") ?? [mosaic.peak[2 * unit], mosaic.peak[2 * unit + 1]];
      context.set({ position: [within(row + by[0], mosaic.height), within(column + by[1], mosaic.width)] });
    } else return;
    event.preventDefault();
  });
  scene.photo.onLoad(draw);
  context.onTheme(draw);
  context.watch(["mosaic", "unit_map", "unit", "scale", "limits", "overlay", "position", "photo"], draw);
  context.watch(["mosaic", "unit_map", "unit", "position", "overlay"], tell);
  const tools = toolbar([!context.hides("overlay") && over, ...more]);
  return picturePane(title, canvas, [scale.element], [reading, words], tools);
}
