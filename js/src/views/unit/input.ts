// What the network is shown: the picture with what the unit sees of it, and a pencil to change it.

import { Eraser, Pencil, Trash2 } from "lucide";
import { framed, strokeEvenly } from "../../draw/framed.ts";
import { outlineReceptiveField } from "../../draw/receptive_field.ts";
import type { Context } from "../../model/context.ts";
import { amount } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { openButton, webcamButton } from "../../shell/images.ts";
import { iconButton, toggle, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { arrow, pointOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";

export function inputPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const reading = h("div", { class: "nn-reading", "aria-live": "polite" });
  const title = heading();
  const seen = h("span", { class: "nn-soft nn-line nn-name" });
  const paper = h("canvas");
  let drawing = false;
  let last: [number, number] | null = null;
  let sending = false;
  let again = false;

  const picture = () => context.get("photo");
  const paints = context.live && !context.hides("paint") && picture().kind === "image";
  const draws = toggle(t("draw"), (on) => begin(on), Pencil);
  const eraser = toggle(t("erase"), (on) => eraser.on(on), Eraser);
  const blank = iconButton(Trash2, t("clear"));
  const ink = h("input", { type: "color", value: "#ffffff", "aria-label": t("the pencil's colour") });
  const wide = h("input", { type: "range", min: 1, max: 12, step: 0.5, "aria-label": t("the pencil's width") });
  const tools = h("span", { class: "nn-tools" }, ink, wide, eraser, blank);
  tools.hidden = true;
  draws.title = t("draw on the picture; the network runs after every stroke");

  const begin = (on: boolean) => {
    drawing = on;
    draws.on(on);
    eraser.on(false);
    tools.hidden = !on;
    if (on) {
      const { width, height } = picture();
      [paper.width, paper.height] = [width, height];
      if (scene.photo.image) paper.getContext("2d")!.drawImage(scene.photo.image, 0, 0, width, height);
      wide.value = String(Math.max(1, Math.min(width, height) / 14));
      wide.max = String(Math.max(4, Math.min(width, height) / 5));
    }
    draw();
  };
  context.listen(blank, "click", () => {
    const pen = paper.getContext("2d")!;
    pen.fillStyle = ground();
    pen.fillRect(0, 0, paper.width, paper.height);
    draw();
    look();
  });
  /** The eraser's colour, opposite to the pencil's: black paper under a bright pencil. */
  const ground = () => {
    const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(ink.value.slice(at, at + 2), 16));
    return r + g + b > 382 ? "#000000" : "#ffffff";
  };

  /** Send what is drawn; while it travels, only the latest waits. */
  const look = async () => {
    if (sending) {
      again = true;
      return;
    }
    sending = true;
    try {
      const blob = await new Promise<Blob | null>((done) => paper.toBlob(done, "image/png"));
      if (blob)
        context.set({ upload: { name: t("drawing"), drawn: true, data: new DataView(await blob.arrayBuffer()) } });
    } finally {
      sending = false;
    }
    if (again) {
      again = false;
      look();
    }
  };

  const point = (event: PointerEvent) => pointOn(canvas, event, picture().height, picture().width);
  const stroke = (to: [number, number]) => {
    const pen = paper.getContext("2d")!;
    pen.strokeStyle = eraser.getAttribute("aria-pressed") === "true" ? ground() : ink.value;
    pen.lineWidth = Number(wide.value);
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo((last ?? to)[1], (last ?? to)[0]);
    pen.lineTo(to[1] + 0.01, to[0]);
    pen.stroke();
    last = to;
    draw();
    look();
  };
  context.listen(canvas, "pointerdown", (event: PointerEvent) => {
    if (drawing) {
      event.preventDefault();
      if (event.isPrimary) canvas.setPointerCapture?.(event.pointerId);
      last = null;
      stroke(point(event));
      return;
    }
    const position = scene.selected.positionAt(...point(event));
    if (position) context.set({ position });
  });
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    if (!drawing) scene.selected.hover = scene.selected.positionAt(...point(event));
    else if (event.buttons & 1) stroke(point(event));
  });
  context.listen(canvas, "pointerleave", () => {
    scene.selected.hover = null;
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const by = event.key === " " ? [0, 0] : arrow(event.key);
    if (event.key === "Escape") {
      if (drawing) begin(false);
      else context.set({ position: null });
    } else if (drawing && by) {
      const from = last ?? [picture().height / 2, picture().width / 2];
      const step = Math.max(1, Number(wide.value) / 2);
      const inside = (value: number, most: number) => Math.min(most, Math.max(0, value));
      const to: [number, number] = [
        inside(from[0] + by[0] * step, picture().height),
        inside(from[1] + by[1] * step, picture().width),
      ];
      if (event.shiftKey || event.key === " ") stroke(to);
      else last = to;
    } else return;
    event.preventDefault();
  });

  const draw = () => {
    const { width, height } = picture();
    const pen = framed(canvas, picture());
    pen.imageSmoothingEnabled = width > 112;
    if (drawing) pen.drawImage(paper, 0, 0);
    else if (scene.photo.image) pen.drawImage(scene.photo.image, 0, 0, width, height);
    if (drawing && last) {
      pen.beginPath();
      pen.arc(last[1], last[0], Number(wide.value) / 2 + 1, 0, 2 * Math.PI);
      strokeEvenly(pen, 1, context.color("--nn-accent"));
    }
    const position = context.get("position");
    for (const [at, strong] of [
      [position, true],
      [scene.selected.hover, false],
    ] as const) {
      const field = at && scene.selected.field(at);
      if (field) outlineReceptiveField(pen, field, strong);
    }
    const at = scene.selected.hover ?? position;
    const field = at && scene.selected.field(at);
    say(
      seen,
      field
        ? t("({position}) sees {rows} × {columns} pixels", {
            position: at.join(", "),
            rows: field[2] - field[0] + 1,
            columns: field[3] - field[1] + 1,
          })
        : picture().shown_as,
    );
  };
  const read = () => {
    const { classes, probability } = context.get("scores");
    const at = probability.indexOf(Math.max(...probability.map((value) => value ?? Number.NEGATIVE_INFINITY)));
    say(reading, `${scene.label(classes[at])} ${amount(context, probability[at])}`);
    canvas.setAttribute("aria-label", `${picture().name}: ${picture().shown_as}`);
    canvas.title = drawing
      ? t("draw; Escape ends it")
      : t("click to choose the position of the unit's map that sees this");
  };
  scene.photo.onLoad(draw);
  context.onTheme(draw);
  scene.selected.onHover(draw);
  context.watch(["photo"], () => {
    say(title, picture().name);
    if (drawing && picture().name !== t("drawing")) begin(false); // another image came
  });
  context.watch(["photo", "position", "receptive_fields", "layer"], draw);
  context.watch(["scores", "labels", "photo"], read);
  const bar = toolbar([...(paints ? [draws, tools] : []), openButton(context)], [webcamButton(context)]);
  return picturePane(title, canvas, [reading], [seen], bar);
}
