// The photograph with the occluder that follows the mouse, and what the model says then.

import type { Context } from "../lib/context.ts";
import { h, say, sized } from "../lib/dom.ts";
import { share } from "../lib/format.ts";
import type { Scene } from "../lib/scene.ts";
import { imageButtons } from "./frame.ts";

export function photoPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const reading = h("div", { class: "nn-reading" });
  const live = h("div", { class: "nn-sr", "aria-live": "polite" });
  let pinned = false;

  const size = () => context.get<number>("size");
  const image = () =>
    context.get("photo") as { width: number; height: number; name: string; shown_as: string };

  /** Put the occluder's centre at a point of the image; a saved page has only the places of its map. */
  const move = (y: number, x: number) => {
    let place = [
      Math.round(Math.min(Math.max(y - size() / 2, 0), image().height - size())),
      Math.round(Math.min(Math.max(x - size() / 2, 0), image().width - size())),
    ];
    if (!context.live) {
      const found = scene.map?.nearest(y, x);
      if (!found) return;
      place = [scene.map!.data.tops[found.row], scene.map!.data.lefts[found.column]];
    }
    if (String(place) !== String(context.get("occluder"))) context.set({ occluder: place });
  };
  const point = (event: PointerEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientY - box.top) / box.height) * image().height,
      ((event.clientX - box.left) / box.width) * image().width,
    ];
  };
  context.listen(canvas, "pointermove", (event: PointerEvent) => !pinned && move(...point(event)));
  context.listen(canvas, "pointerdown", (event: PointerEvent) => {
    pinned = !pinned;
    move(...point(event));
    draw();
  });
  context.listen(canvas, "pointerleave", () => !pinned && context.set({ occluder: null }));
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const step = context.live
      ? Math.max(1, Math.round(context.get<number>("stride") / 2))
      : context.get<number>("stride");
    const [dy, dx] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
      event.key
    ] ?? [0, 0];
    if (event.key === "Escape") {
      pinned = false;
      context.set({ occluder: null });
    } else if (dy || dx) {
      const place = context.get<[number, number] | null>("occluder");
      pinned = true;
      const [top, left] = place ?? [image().height / 2 - size() / 2, image().width / 2 - size() / 2];
      const by = place ? step : 0;
      move(top + dy * by + size() / 2, left + dx * by + size() / 2);
    } else return;
    event.preventDefault();
  });

  const draw = () => {
    if (!context.get("occluder")) pinned = false; // another pane, or another image, took it away
    const { width, height } = image();
    const scale = Math.max(1, 448 / Math.max(width, height));
    const pen = sized(canvas, width * scale, height * scale);
    pen.scale(scale, scale);
    const photo = scene.photo;
    if (photo) pen.drawImage(photo, 0, 0, width, height);
    const place = context.get<[number, number] | null>("occluder");
    if (!place) return;
    pen.save();
    pen.beginPath();
    pen.rect(place[1], place[0], size(), size());
    pen.clip();
    paintFill(pen, context.get("fill"), photo, width, height);
    pen.restore();
    pen.lineWidth = (pinned ? 2.5 : 1.5) / scale;
    pen.strokeStyle = "#fff";
    pen.strokeRect(place[1], place[0], size(), size());
    pen.setLineDash([4 / scale, 4 / scale]);
    pen.strokeStyle = "#000";
    pen.strokeRect(place[1], place[0], size(), size());
  };

  const read = () => {
    const { classes, probability } = context.get("scores");
    const target = scene.target;
    const clean: number | undefined = probability[classes.indexOf(target)]; // none yet for a class just searched
    const occluder = context.get("occluder");
    const under = scene.underOccluder;
    const now = under?.score(target, "probability");
    const name = scene.label(target);
    const after = occluder ? (now === null || now === undefined ? " → …" : ` → ${share(now)}`) : "";
    const text = `${name} ${clean === undefined ? "…" : share(clean)}${after}`;
    say(reading, text);
    reading.classList.toggle("nn-stale", Boolean(occluder) && !under);
    const where = occluder
      ? `, occluder of ${size()} pixels at row ${occluder[0]}, column ${occluder[1]}`
      : "";
    canvas.setAttribute("aria-label", `${image().name}: ${image().shown_as}${where}`);
    if (under) say(live, `${text}; most probable: ${scene.label(under.top)}`);
    canvas.title = context.live
      ? "move the occluder over the photograph; click to pin it, arrows move it, Escape takes it away"
      : "the occluder steps over the positions that this page holds; click to pin it, arrows move it";
  };

  scene.onPhoto(draw);
  context.watch(["photo", "occluder", "size", "fill"], draw);
  context.watch(["scores", "target", "occluder", "occluded", "heatmap", "size", "fill", "photo"], read);
  return h("div", {}, canvas, reading, live, imageButtons(context));
}

function paintFill(
  pen: CanvasRenderingContext2D,
  fill: string,
  photo: HTMLImageElement | null,
  width: number,
  height: number,
): void {
  if (fill === "blur" && photo) {
    pen.filter = `blur(${Math.min(width, height) / 10}px)`;
    pen.drawImage(photo, 0, 0, width, height);
    return;
  }
  pen.fillStyle = fill === "mean" && photo ? meanColor(photo) : "#808080";
  pen.fillRect(0, 0, width, height);
}

const means = new WeakMap<HTMLImageElement, string>();

function meanColor(photo: HTMLImageElement): string {
  const known = means.get(photo);
  if (known) return known;
  const [width, height] = [photo.naturalWidth, photo.naturalHeight];
  const pen = h("canvas", { width, height }).getContext("2d")!;
  pen.drawImage(photo, 0, 0);
  const pixels = pen.getImageData(0, 0, width, height).data;
  const sums = [0, 0, 0];
  for (let at = 0; at < pixels.length; at += 4) for (let c = 0; c < 3; c++) sums[c] += pixels[at + c];
  const color = `rgb(${sums.map((sum) => Math.round((4 * sum) / pixels.length)).join(" ")})`;
  means.set(photo, color);
  return color;
}
