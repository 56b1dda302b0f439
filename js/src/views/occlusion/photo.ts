// The photograph with the occluder that follows the mouse, and what the model says then.

import { Check, Eraser, Trash2 } from "lucide";
import { framed, isTrace, strokeEvenly } from "../../draw/framed.ts";
import { outlineReceptiveField } from "../../draw/receptive_field.ts";
import type { Context } from "../../model/context.ts";
import { experimentOf } from "../../model/experiment.ts";
import { amount } from "../../model/meaning.ts";
import type { Picture } from "../../model/photo.ts";
import type { Scene } from "../../model/scene.ts";
import { openButton, webcamButton } from "../../shell/images.ts";
import { Brush } from "../../ui/brush.ts";
import { iconButton, toggle, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { entitle, heading, picturePane } from "../../ui/pane.ts";
import { lengthWords, placeOf } from "../../ui/place.ts";
import { arrow, pointOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";
import { occluderControls } from "./occluder.ts";

/** Without `controls` the occluder is set elsewhere, and follows the pointer here too. */
export function photoPane(context: Context, scene: Scene, controls = true): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const title = heading();
  const reading = h("div", { class: "nn-reading" });
  const below = h("span", { class: "nn-soft nn-name nn-grow" });
  const live = h("div", { class: "nn-sr", "aria-live": "polite" });
  const pinned = () => context.get("pinned");
  const brush = new Brush();
  const paints = controls && context.live && !context.hides("paint");
  const hand = toggle(t("paint a mask"), (on) => byHand(on));
  hand.title = t("hide a region by painting over it");
  const erase = toggle(t("erase"), (on) => erase.on(on), Eraser);
  const clear = iconButton(Trash2, t("clear"), () => byHand(true));
  const done = iconButton(Check, t("end painting"), () => byHand(false));
  const open = controls ? openButton(context) : null;
  const [usual, rare] = controls ? occluderControls(context, "photo") : [[], []];
  const tools = toolbar(
    [...usual, ...(paints ? [erase, clear, done] : []), open],
    [...rare, paints && hand, controls && webcamButton(context)],
  );
  let sent: DataView | null = null;
  const paint = () => {
    draw();
    sent = brush.packed();
    context.set({ mask: sent });
  };
  const showTools = (on: boolean) => {
    hand.on(on);
    erase.on(false);
    erase.hidden = clear.hidden = done.hidden = !on;
    // Others make room for the tools.
    for (const control of [...usual.slice(1), open]) if (control) control.hidden = on;
  };
  const byHand = (on: boolean) => {
    showTools(on);
    brush.start(image().height, image().width);
    sent = null;
    if (pinned() || context.get("mask")) context.set({ occluder: null, pinned: false, mask: null });
    else context.set({ occluder: null }, false);
    draw();
  };
  // Another mask came from elsewhere: an earlier one is shown again.
  const followMask = () => {
    const mask = context.get("mask") ?? null;
    if (mask === sent) return;
    sent = mask;
    brush.start(image().height, image().width);
    if (mask) brush.load(mask);
    showTools(Boolean(mask));
    draw();
  };

  const size = () => context.get("size");
  const image = () => context.get("photo");
  /** Height and width of the occluder: of a signal there is one row. */
  const sides = (): [number, number] => [Math.min(size(), image().height), Math.min(size(), image().width)];

  /** Put the occluder's centre at a point of the image, and pin it there; a saved page has only the places of its map. */
  const move = (y: number, x: number, pin: boolean, byHand = false) => {
    const [tall, wide] = sides();
    let occluder: [number, number] = [
      Math.round(Math.min(Math.max(y - tall / 2, 0), image().height - tall)),
      Math.round(Math.min(Math.max(x - wide / 2, 0), image().width - wide)),
    ];
    if (!context.live) {
      const nearest = experimentOf(scene).map?.nearest(y, x);
      if (!nearest) return;
      occluder = [experimentOf(scene).map!.data.tops[nearest.row], experimentOf(scene).map!.data.lefts[nearest.column]];
    }
    if (byHand || String(occluder) !== String(context.get("occluder"))) context.set({ occluder, pinned: pin }, byHand);
  };
  const point = (event: PointerEvent) => pointOn(canvas, event, image().height, image().width);
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    if (!hand.pressed) {
      if (!pinned()) move(...point(event), false);
    } else if (brush.to(...point(event), event.buttons & 1 ? size() / 2 : 0, !erase.pressed)) paint();
    else draw();
  });
  context.listen(canvas, "pointerdown", (event: PointerEvent) => {
    if (hand.pressed) {
      if (event.isPrimary) canvas.setPointerCapture?.(event.pointerId);
      brush.lift();
      if (brush.to(...point(event), size() / 2, !erase.pressed)) paint();
      return;
    }
    move(...point(event), !pinned(), true);
    draw();
  });
  context.listen(canvas, "pointerleave", () => {
    if (hand.pressed) brush.lift();
    else if (!pinned()) context.set({ occluder: null }, false);
    if (hand.pressed) draw();
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const step = context.live ? Math.max(1, Math.round(context.get("stride") / 2)) : context.get("stride");
    const [dy, dx] = arrow(event.key) ?? [0, 0];
    if (hand.pressed) {
      if (event.key === "Escape") byHand(false);
      else if (event.key === " " || dy || dx) {
        const [y, x] = brush.at ?? [image().height / 2, image().width / 2];
        const by = Math.max(1, size() / 4);
        const inside = (value: number, most: number) => Math.min(most, Math.max(0, value));
        const to: [number, number] = [inside(y + dy * by, image().height), inside(x + dx * by, image().width)];
        const paints = event.key === " " || event.shiftKey;
        if (brush.to(...to, paints ? size() / 2 : 0, !erase.pressed)) paint();
        else draw();
      } else return;
    } else if (event.key === "Escape") {
      context.set({ occluder: null, pinned: false });
    } else if (dy || dx) {
      const occluder = context.get("occluder");
      const [tall, wide] = sides();
      const [top, left] = occluder ?? [(image().height - tall) / 2, (image().width - wide) / 2];
      const by = occluder ? step : 0;
      move(top + dy * by + tall / 2, left + dx * by + wide / 2, true, true);
    } else return;
    event.preventDefault();
  });

  const draw = () => {
    const { width, height } = image();
    const pen = framed(canvas, image());
    const photo = scene.photo.image;
    if (photo) pen.drawImage(photo, 0, 0, width, height);
    if (hand.pressed) {
      const layer = h("canvas");
      const over = framed(layer, image());
      over.drawImage(brush.picture(), 0, 0);
      over.globalCompositeOperation = "source-in";
      paintFill(over, context, photo, [0, 0, height, width]);
      pen.drawImage(layer, 0, 0, width, height);
      if (brush.at) outline(pen, "circle", [brush.at[0] - size() / 2, brush.at[1] - size() / 2, size(), size()], false);
      return;
    }
    const seen = scene.selected.hover ?? context.get("position");
    const field = seen && scene.selected.field(seen);
    if (field) outlineReceptiveField(pen, field, !scene.selected.hover);
    const occluder = context.get("occluder");
    if (!occluder) return;
    const box: Window = [occluder[0], occluder[1], ...sides()];
    pen.save();
    path(pen, context.get("shape"), box);
    pen.clip();
    paintFill(pen, context, photo, box);
    pen.restore();
    outline(pen, context.get("shape"), box, pinned());
  };

  const read = () => {
    const { classes, probability } = context.get("scores");
    const target = scene.target;
    const clean: number | null | undefined = probability[classes.indexOf(target)]; // none yet for a class just searched
    const occluder = context.get("occluder");
    const masked = context.get("mask");
    const under = experimentOf(scene).hiddenScores;
    const now = under?.score(target, "probability");
    const name = scene.label(target);
    const after = occluder || masked ? (now === null || now === undefined ? " → …" : ` → ${amount(context, now)}`) : "";
    const text = `${name} ${clean === undefined ? "…" : amount(context, clean)}${after}`;
    say(reading, text);
    reading.title = text;
    reading.classList.toggle("nn-stale", Boolean(occluder || masked) && !under);
    const where = occluder
      ? t("occluder of {size} at {place}", {
          size: lengthWords(context, size()),
          place: placeOf(context, occluder, true),
        })
      : masked
        ? t("{count} of its pixels masked", { count: experimentOf(scene).mark[0] })
        : "";
    canvas.setAttribute("aria-label", `${image().name}: ${[image().shown_as, where].filter(Boolean).join(", ")}`);
    if (under) say(live, t("{text}; most probable: {label}", { text, label: scene.label(under.top) }));
    canvas.title = context.live
      ? t("move the occluder over the photograph; click to pin it, arrow keys move it, Escape removes it")
      : t("the occluder moves between the positions stored in this page; click to pin it, arrow keys move it");
  };

  scene.photo.onLoad(draw);
  context.onTheme(draw);
  scene.selected.onHover(draw);
  context.watch(["mask"], followMask);
  // A larger occluder stays inside the image.
  context.watch(["size"], () => {
    const at = context.get("occluder");
    const [tall, wide] = sides();
    const most = [image().height - tall, image().width - wide];
    if (context.live && at?.some((edge, axis) => edge > most[axis]))
      context.set({ occluder: [Math.min(at[0], most[0]), Math.min(at[1], most[1])] }, false);
  });
  context.watch(["photo"], () => {
    // How the image became the input: turned upright, converted, drawn at random.
    entitle(title, context, image().name);
    title.title = image().shown_as;
    say(below, (image().notes ?? []).join("; ") || image().shown_as);
    below.title = below.textContent ?? "";
    if (hand.pressed) byHand(true); // another image: nothing of it is hidden
  });
  context.watch(
    ["photo", "occluder", "pinned", "size", "fill", "fill_color", "shape", "position", "receptive_fields"],
    draw,
  );
  context.watch(
    [
      "scores",
      "meaning",
      "target",
      "occluder",
      "occluded",
      "mask",
      "masked",
      "occlusion_map",
      "size",
      "fill",
      "shape",
      "photo",
    ],
    read,
  );
  erase.hidden = clear.hidden = done.hidden = true;
  return picturePane(title, canvas, [reading, live], [below], tools);
}

type Window = [top: number, left: number, tall: number, wide: number];

function path(pen: CanvasRenderingContext2D, shape: string, [top, left, tall, wide]: Window): void {
  pen.beginPath();
  if (shape === "circle") pen.ellipse(left + wide / 2, top + tall / 2, wide / 2, tall / 2, 0, 0, 2 * Math.PI);
  else pen.rect(left, top, wide, tall);
}

/** White under dashes of black: seen on any picture. */
function outline(pen: CanvasRenderingContext2D, shape: string, box: Window, strong: boolean): void {
  path(pen, shape, box);
  const width = strong ? 2.5 : 1.5;
  strokeEvenly(pen, width, "#fff");
  strokeEvenly(pen, width, "#000", [4, 4]);
}

function paintFill(
  pen: CanvasRenderingContext2D,
  context: Context,
  photo: Picture | null,
  [top, left, tall, wide]: Window,
): void {
  const { width, height } = context.get("photo");
  const [fill, color] = [context.get("fill"), context.get("fill_color")];
  if (isTrace(context.get("photo")) || photo instanceof HTMLCanvasElement) {
    // What replaces a part of a signal is a number for each channel: the part is only marked.
    pen.fillStyle = "rgb(128 128 128 / 35%)";
    pen.fillRect(0, 0, width, height);
    return;
  }
  if (fill === "noise" && photo) {
    pen.drawImage(noise(photo), 0, 0, width, height);
    return;
  }
  if (fill === "surround" && photo && tall < height && wide < width) {
    const margin = Math.max(1, Math.floor(Math.max(tall, wide) / 4));
    pen.fillStyle = ringColor(photo, top, left, tall, wide, margin);
    pen.fillRect(0, 0, width, height);
    return;
  }
  if (fill === "blur" && photo) {
    pen.filter = `blur(${Math.min(width, height) / 10}px)`;
    pen.drawImage(photo, 0, 0, width, height);
    return;
  }
  pen.fillStyle = (fill === "mean" || fill === "surround") && photo ? meanColor(photo) : color || "#808080";
  pen.fillRect(0, 0, width, height);
}

interface Pixels {
  data: Uint8ClampedArray;
  width: number;
  height: number;
  /** Mean and deviation of red, green and blue. */
  mean: number[];
  deviation: number[];
}

const known = new WeakMap<HTMLImageElement, Pixels>();

function pixelsOf(photo: HTMLImageElement): Pixels {
  const cached = known.get(photo);
  if (cached) return cached;
  const [width, height] = [photo.naturalWidth, photo.naturalHeight];
  const pen = h("canvas", { width, height }).getContext("2d")!;
  pen.drawImage(photo, 0, 0);
  const { data } = pen.getImageData(0, 0, width, height);
  const [mean, square] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  for (let at = 0; at < data.length; at += 4) {
    for (let c = 0; c < 3; c++) {
      mean[c] += data[at + c] / (width * height);
      square[c] += data[at + c] ** 2 / (width * height);
    }
  }
  const made = { data, width, height, mean, deviation: square.map((value, c) => Math.sqrt(value - mean[c] ** 2)) };
  known.set(photo, made);
  return made;
}

const css = (color: number[]) => `rgb(${color.map(Math.round).join(" ")})`;

function meanColor(photo: HTMLImageElement): string {
  return css(pixelsOf(photo).mean);
}

/** The mean colour in a ring around a window, as the kernel has it. */
function ringColor(
  photo: HTMLImageElement,
  top: number,
  left: number,
  tall: number,
  wide: number,
  margin: number,
): string {
  const { data, width, height } = pixelsOf(photo);
  const sums = [0, 0, 0];
  let count = 0;
  for (let y = Math.max(0, top - margin); y < Math.min(height, top + tall + margin); y++) {
    for (let x = Math.max(0, left - margin); x < Math.min(width, left + wide + margin); x++) {
      if (y >= top && y < top + tall && x >= left && x < left + wide) continue;
      for (let c = 0; c < 3; c++) sums[c] += data[4 * (y * width + x) + c];
      count++;
    }
  }
  return css(sums.map((sum) => sum / Math.max(1, count)));
}

const noises = new WeakMap<HTMLImageElement, HTMLCanvasElement>();

/** Noise of the photograph's colours: like the kernel's noise, but not the same numbers. */
function noise(photo: HTMLImageElement): HTMLCanvasElement {
  const made = noises.get(photo);
  if (made) return made;
  const { width, height, mean, deviation } = pixelsOf(photo);
  const canvas = h("canvas", { width, height });
  const pen = canvas.getContext("2d")!;
  const image = pen.createImageData(width, height);
  for (let at = 0; at < image.data.length; at += 4) {
    for (let c = 0; c < 3; c++) {
      const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
      image.data[at + c] = mean[c] + deviation[c] * normal;
    }
    image.data[at + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  noises.set(photo, canvas);
  return canvas;
}
