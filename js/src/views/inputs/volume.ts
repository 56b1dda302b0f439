// A volume in three slices through one point, the box that is hidden there, and what hiding it everywhere does.

import { colorOf, type Limits } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { f32, u8 } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import { amount, isProbability } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import type { VolumeMap, VolumePayload } from "../../model/traits.ts";
import { toggle, toolbar } from "../../ui/controls.ts";
import { h, say, sized, textured } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { cellOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";

type Place = [depth: number, row: number, column: number];
// Which axis each slice is across, and which axes are its rows and columns.
const SLICES: [across: number, down: number, along: number][] = [
  [0, 1, 2],
  [1, 0, 2],
  [2, 0, 1],
];
const SIDE = 320;

export function volumePane(context: Context, scene: Scene): HTMLElement {
  const names = [t("depth"), t("row"), t("column")];
  const canvases = SLICES.map(() => h("canvas", { class: "nn-photo", tabindex: 0, role: "application" }));
  const words = SLICES.map(() => h("figcaption", { class: "nn-soft" }));
  const figures = canvases.map((canvas, at) => h("figure", {}, canvas, words[at]));
  const size = h("input", { type: "range", min: 1, step: 1, "aria-label": t("size of the box") });
  const sizeWords = h("output", { class: "nn-number" });
  const slider = h(
    "label",
    { class: "nn-control nn-slider" },
    h("span", { class: "nn-label" }, t("size of the box")),
    size,
    sizeWords,
  );
  const run = h("button", { type: "button" }, t("hide it everywhere"));
  const over = toggle(t("show the map"), (on) => {
    over.on(on);
    draw();
  });
  over.on(true);
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("volume_run"),
  );
  const progress = h("div", { class: "nn-row" }, ...work.parts);
  const scale = legend();
  const reading = h("div", { class: "nn-reading", "aria-live": "polite" });
  const note = h("div", { class: "nn-soft" });
  const tools = toolbar([slider, run, over]);
  const pane = h(
    "div",
    { class: "nn-volume-pane" },
    heading(t("volume")),
    h("div", { class: "nn-volume" }, ...figures),
    reading,
    scale.element,
    note,
    progress,
    tools,
  );

  const sent = (): VolumePayload | null => context.get("volume") ?? null;
  const map = (): VolumeMap | null => context.get("volume_map") ?? null;
  const point = (): Place => (context.get("crosshair") ?? [0, 0, 0]) as Place;
  const clamp = (value: number, most: number) => Math.min(most - 1, Math.max(0, value));
  /** Where the box around the point begins. */
  const corner = (volume: VolumePayload): Place =>
    point().map((at, axis) =>
      Math.max(0, Math.min(at - (context.get("box_size") >> 1), volume.shape[axis] - context.get("box_size"))),
    ) as Place;

  /** Grey levels of a slice. */
  const slice = (volume: VolumePayload, [across, down, along]: [number, number, number]): HTMLCanvasElement => {
    const bytes = u8(volume.data);
    const strides = [volume.stored[1] * volume.stored[2], volume.stored[2], 1];
    const [rows, columns] = [volume.stored[down], volume.stored[along]];
    const from = clamp(Math.floor(point()[across] / volume.step), volume.stored[across]) * strides[across];
    const pixels = new Uint32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const level = bytes[from + row * strides[down] + column * strides[along]];
        pixels[row * columns + column] = (255 << 24) | (level << 16) | (level << 8) | level;
      }
    }
    return textured(pixels, rows, columns);
  };

  /** The map's positions along an axis: the centres of the boxes. */
  const centres = (found: VolumeMap, axis: number): number[] =>
    [found.fronts, found.tops, found.lefts][axis].map((first) => first + found.size[axis] / 2);

  /** What hiding the box does at each place of a slice, over it. */
  const drawMap = (
    pen: CanvasRenderingContext2D,
    found: VolumeMap,
    [across, down, along]: [number, number, number],
  ) => {
    const values = f32(found.change);
    const counts = [found.fronts.length, found.tops.length, found.lefts.length];
    const strides = [counts[1] * counts[2], counts[2], 1];
    const middle = centres(found, across);
    let nearest = 0;
    middle.forEach((centre, at) => {
      if (Math.abs(centre - point()[across] - 0.5) < Math.abs(middle[nearest] - point()[across] - 0.5)) nearest = at;
    });
    const reach = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    const limits: Limits = [-reach, reach];
    const table = scene.table(limits);
    const pixels = new Uint32Array(counts[down] * counts[along]);
    for (let row = 0; row < counts[down]; row++) {
      for (let column = 0; column < counts[along]; column++) {
        const value = values[nearest * strides[across] + row * strides[down] + column * strides[along]];
        const alpha = Math.round(Math.min(1, Math.abs(value) / reach) * 215);
        pixels[row * counts[along] + column] = ((alpha << 24) | (colorOf(value, limits, table) & 0xffffff)) >>> 0;
      }
    }
    const [rows, columns] = [centres(found, down), centres(found, along)];
    const step = (places: number[], side: number) => (places.length > 1 ? places[1] - places[0] : side);
    const [tall, wide] = [step(rows, found.size[down]), step(columns, found.size[along])];
    pen.imageSmoothingEnabled = false;
    pen.drawImage(
      textured(pixels, counts[down], counts[along]),
      columns[0] - wide / 2,
      rows[0] - tall / 2,
      wide * counts[along],
      tall * counts[down],
    );
    return limits;
  };

  const draw = () => {
    const volume = sent();
    if (!volume) return;
    const found = over.pressed ? map() : null;
    const box = corner(volume);
    const side = context.get("box_size");
    const longest = Math.max(...volume.shape);
    let limits: Limits | null = null;
    SLICES.forEach((axes, at) => {
      const [across, down, along] = axes;
      const [rows, columns] = [volume.shape[down], volume.shape[along]];
      const zoom = SIDE / longest;
      const pen = sized(canvases[at], columns * zoom, rows * zoom);
      pen.scale(zoom, zoom);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(slice(volume, axes), 0, 0, volume.stored[along] * volume.step, volume.stored[down] * volume.step);
      if (found) limits = drawMap(pen, found, axes);
      const line = (color: string, width: number) => {
        pen.strokeStyle = color;
        pen.lineWidth = width / zoom;
        pen.stroke();
      };
      pen.beginPath();
      pen.moveTo(point()[along] + 0.5, 0);
      pen.lineTo(point()[along] + 0.5, rows);
      pen.moveTo(0, point()[down] + 0.5);
      pen.lineTo(columns, point()[down] + 0.5);
      line("rgb(0 0 0 / 55%)", 2.5);
      line("rgb(255 255 255 / 80%)", 1);
      if (box[across] <= point()[across] && point()[across] < box[across] + side) {
        pen.beginPath();
        pen.rect(box[along], box[down], side, side);
        line("#000", 3.5);
        line("#ffd400", 1.5);
      }
      // All slices have one scale: a voxel is of the same size in each.
      figures[at].style.flex = `${columns} 1 0`;
      say(
        words[at],
        t("{axis} {index} of {count}", { axis: names[across], index: point()[across], count: volume.shape[across] }),
      );
      const place = t("depth {depth}, row {row}, column {column}", {
        depth: point()[0],
        row: point()[1],
        column: point()[2],
      });
      const title = t("slice across {axis}", { axis: names[across] });
      canvases[at].setAttribute("aria-label", [title, place, reading.textContent].join("; "));
      canvases[at].title = t("drag to move the point; arrow keys, and page up and down for the other slices");
    });
    scale.element.hidden = !limits;
    if (limits) {
      const unit = isProbability(context) ? t("change of the probability") : t("change of the value");
      scale.show(
        limits,
        scene.table(limits),
        unit,
        t("{unit}; blue: hiding the box there lowers {label}", { unit, label: scene.label(map()!.target) }),
      );
    }
  };

  const tell = () => {
    const volume = sent();
    pane.hidden = !volume;
    if (!volume) return;
    const side = context.get("box_size");
    size.max = String(Math.min(...volume.shape));
    if (document.activeElement !== size) size.value = String(side);
    size.disabled = !context.live;
    slider.title = context.live ? "" : needsKernel();
    say(sizeWords, t("{count} voxels", { count: side }));
    const found = map();
    const running = Boolean(found?.running);
    run.hidden = !volume.can_map || !context.live || running;
    progress.hidden = !found;
    if (found) {
      const [done, total] = [found.fronts.length, found.total];
      const words = t("boxes of {count} voxels at {done} of {total} depths", { count: found.size[0], done, total });
      work.show({ words, share: done / total, running });
    }
    over.hidden = !found;
    const hidden = context.get("hidden_box") ?? null;
    const fits = hidden && String(hidden.first) === String(corner(volume)) && hidden.size === side;
    reading.hidden = !hidden || (!fits && !context.live);
    reading.classList.toggle("nn-stale", !fits);
    if (hidden) {
      const { classes, probability } = context.get("scores");
      const score = (of: number[], values: (number | null)[]) =>
        amount(context, values[of.indexOf(scene.target)] ?? null);
      say(
        reading,
        t("without the box: {label} {before} → {now}", {
          label: scene.label(scene.target),
          before: score(classes, probability),
          now: score(hidden.classes, hidden.probability),
        }),
      );
    }
    const stale = found && found.target !== scene.target;
    say(
      note,
      !found
        ? t("the box is replaced by the mean of each channel")
        : [
            stale ? t("of {label}, not of the present target", { label: scene.label(found.target) }) : "",
            found.words ?? "",
          ]
            .filter(Boolean)
            .join("; "),
    );
  };

  context.listen(size, "input", () => context.set({ box_size: Number(size.value) }));
  context.listen(run, "click", () => context.request("volume_run"));
  canvases.forEach((canvas, at) => {
    const [across, down, along] = SLICES[at];
    const moveTo = (event: PointerEvent, byHand: boolean) => {
      const volume = sent();
      if (!volume) return;
      const next = [...point()] as Place;
      [next[down], next[along]] = cellOn(canvas, event, volume.shape[down], volume.shape[along]);
      if (String(next) !== String(point())) context.set({ crosshair: next }, byHand);
    };
    context.listen(canvas, "pointerdown", (event: PointerEvent) => {
      canvas.setPointerCapture?.(event.pointerId);
      moveTo(event, true);
    });
    context.listen(canvas, "pointermove", (event: PointerEvent) => {
      if (event.buttons & 1) moveTo(event, false);
    });
    context.listen(canvas, "keydown", (event: KeyboardEvent) => {
      const volume = sent();
      const moves: Record<string, [axis: number, by: number]> = {
        ArrowUp: [down, -1],
        ArrowDown: [down, 1],
        ArrowLeft: [along, -1],
        ArrowRight: [along, 1],
        PageUp: [across, -1],
        PageDown: [across, 1],
      };
      const move = moves[event.key];
      if (!volume || !move) return;
      const next = [...point()] as Place;
      next[move[0]] = clamp(next[move[0]] + move[1], volume.shape[move[0]]);
      context.set({ crosshair: next });
      event.preventDefault();
    });
  });
  context.onTheme(draw);
  context.watch(
    ["volume", "crosshair", "box_size", "hidden_box", "volume_map", "scores", "target", "labels", "meaning"],
    () => {
      tell();
      draw();
    },
  );
  return pane;
}
