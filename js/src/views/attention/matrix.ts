// The weights of what is shown as a matrix: queries downwards, keys to the right.

import { colorOf } from "../../draw/colors.ts";
import { shownHead } from "../../model/attention.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, say, sized, textured } from "../../ui/dom.ts";
import { fixed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { cellOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";
import { LIMITS } from "./heads.ts";
import { axes, labelled, lookedAt } from "./names.ts";
import { shownWords } from "./tokens.ts";

const SIDE = 280;

export function matrixPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const reading = h("span", { class: "nn-soft nn-line nn-name" });
  let picture: HTMLCanvasElement | null = null;
  let step = 1;

  const paint = () => {
    const shown = shownHead(context);
    if (!shown) return;
    const { queries, keys } = shown.heads;
    step = Math.max(1, Math.ceil(Math.max(queries, keys) / (2 * SIDE)));
    const [rows, columns] = [Math.ceil(queries / step), Math.ceil(keys / step)];
    const largest = new Float32Array(rows * columns);
    for (let query = 0; query < queries; query++)
      shown.row(query, (key, weight) => {
        const at = Math.floor(query / step) * columns + Math.floor(key / step);
        if (step === 1) largest[at] += weight;
        else if (weight > largest[at]) largest[at] = weight;
      });
    const table = scene.table(LIMITS);
    picture = textured(
      Uint32Array.from(largest, (weight) => colorOf(Math.sqrt(Math.min(1, weight)), LIMITS, table)),
      rows,
      columns,
    );
  };
  const draw = () => {
    const shown = shownHead(context);
    if (!shown || !picture) return;
    const { queries, keys } = shown.heads;
    const ratio = Math.min(2, Math.max(0.2, queries / keys));
    const [width, height] = ratio > 1 ? [SIDE / ratio, SIDE] : [SIDE, SIDE * ratio];
    const pen = sized(canvas, width, height);
    pen.imageSmoothingEnabled = picture.width > width * 2;
    pen.drawImage(picture, 0, 0, width, height);
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 1.5;
    const token = lookedAt(context, scene);
    if (axes(context).from === "query")
      pen.strokeRect(0.75, (token * height) / queries, width - 1.5, Math.max(3, height / queries));
    else pen.strokeRect((token * width) / keys, 0.75, Math.max(3, width / keys), height - 1.5);
  };
  const repaint = () => {
    paint();
    draw();
    say(title, t("matrix of {head}", { head: shownWords(context) }));
    title.title = t("queries downwards, keys to the right");
    canvas.setAttribute("aria-label", t("matrix of {head}", { head: shownWords(context) }));
  };
  const at = (event: MouseEvent) => {
    const heads = shownHead(context)?.heads;
    if (!heads) return null;
    const [query, key] = cellOn(canvas, event, heads.queries, heads.keys);
    return { query, key };
  };
  const tokenAt = (event: MouseEvent) => {
    const found = at(event);
    return found && (axes(context).from === "query" ? found.query : found.key);
  };
  context.listen(canvas, "pointermove", (event) => {
    const [found, token, shown] = [at(event), tokenAt(event), shownHead(context)];
    if (!found || token === null || !shown) return;
    scene.selected.hover = [0, token];
    const weight = fixed(shown.reads(found.query)[found.key], 3);
    const [query, key] = [labelled(context, "query", found.query), labelled(context, "key", found.key)];
    say(reading, t("{query} reads {key}: {weight}", { query, key, weight }));
  });
  context.listen(canvas, "pointerleave", () => {
    scene.selected.hover = null;
    say(reading, "");
  });
  context.listen(canvas, "click", (event) => {
    const token = tokenAt(event);
    if (token !== null) context.set({ token });
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const heads = shownHead(context)?.heads;
    const by = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!heads || !by) return;
    event.preventDefault();
    const count = axes(context).from === "query" ? heads.queries : heads.keys;
    context.set({ token: Math.min(count - 1, Math.max(0, lookedAt(context, scene) + by)) });
  });
  context.watch(["attention", "rollout", "head", "combine"], repaint);
  context.watch(["token", "direction"], draw);
  scene.selected.onHover(draw);
  context.onTheme(repaint);
  return h("div", { class: "nn-picture-pane" }, title, canvas, reading);
}
