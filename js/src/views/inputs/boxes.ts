// The boxes that a detector found, over the picture: a click on one makes it the target.

import { categoryColor } from "../../draw/categories.ts";
import { framed, strokeEvenly } from "../../draw/framed.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { Traits } from "../../model/traits.ts";
import { choice } from "../../ui/controls.ts";
import { h } from "../../ui/dom.ts";
import { percent } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { pointOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";

type Box = [left: number, top: number, right: number, bottom: number];
const area = ([left, top, right, bottom]: Box) => (right - left) * (bottom - top);

export function boxesPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const list = h("div", { class: "nn-row" });
  const asked = choice<Traits["box_value"]>(
    t("the target is"),
    [
      ["score", t("its score")],
      ["left", t("its left edge")],
      ["top", t("its upper edge")],
      ["right", t("its right edge")],
      ["bottom", t("its lower edge")],
    ],
    (value) => context.set({ box_value: value }),
  );
  const said = h("div", { class: "nn-said" }, list, asked);
  const pane = h("div", { class: "nn-classes-of-places" }, heading(t("boxes")), canvas, said);
  let pointed = -1;

  const sent = () => context.get("boxes") ?? null;
  const boxes = () => (sent()?.boxes ?? []) as Box[];
  const color = (index: number, opacity = 1) => categoryColor(sent()?.classes[index] ?? 0, opacity);

  const draw = () => {
    const { width, height } = context.get("photo");
    if (!sent()) return;
    const pen = framed(canvas, context.get("photo"));
    if (scene.photo.image) pen.drawImage(scene.photo.image, 0, 0, width, height);
    const outline = (index: number, line: number) => {
      const [left, top, right, bottom] = boxes()[index];
      pen.beginPath();
      pen.rect(left * width, top * height, (right - left) * width, (bottom - top) * height);
      strokeEvenly(pen, line + 2, "#fff");
      strokeEvenly(pen, line, color(index));
    };
    boxes().forEach((box, index) => {
      if (index !== pointed && index !== scene.target) return;
      pen.fillStyle = color(index, 0.2);
      pen.fillRect(box[0] * width, box[1] * height, (box[2] - box[0]) * width, (box[3] - box[1]) * height);
    });
    boxes().forEach((_box, index) => {
      if (index !== scene.target) outline(index, 1.5);
    });
    if (scene.target < boxes().length) outline(scene.target, 3);
  };

  const tell = () => {
    const found = sent();
    pane.hidden = !found;
    if (!found) return;
    list.replaceChildren(
      ...found.boxes.map((_box, index) => {
        const patch = h("span", { class: "nn-patch" });
        patch.style.background = color(index);
        const button = h(
          "button",
          { type: "button", class: "nn-box", "aria-pressed": String(index === scene.target) },
          patch,
          `${scene.label(index)} ${percent(found.scores[index])}`,
        );
        context.listen(button, "click", () => context.set({ target: index }));
        const point = (at: number) => () => {
          pointed = at;
          draw();
        };
        context.listen(button, "pointerenter", point(index));
        context.listen(button, "pointerleave", point(-1));
        return button;
      }),
    );
    asked.hidden = !found.can_choose;
    asked.select.value = context.get("box_value");
    asked.select.disabled = !context.live;
    asked.title = context.live ? t("what the maps explain of the box") : needsKernel();
    canvas.title = t("click a box to make it the target; arrow keys go to the next one");
    canvas.setAttribute("aria-label", `${t("boxes")}: ${list.textContent}; ${scene.label(scene.target)}`);
  };

  /** The smallest box around a point; −1 where there is none. */
  const boxAt = (event: PointerEvent): number => {
    const [y, x] = pointOn(canvas, event);
    let best = -1;
    boxes().forEach((box, index) => {
      const inside = box[0] <= x && x <= box[2] && box[1] <= y && y <= box[3];
      if (inside && (best < 0 || area(box) < area(boxes()[best]))) best = index;
    });
    return best;
  };
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    const now = boxAt(event);
    canvas.style.cursor = now < 0 ? "default" : "pointer";
    if (now === pointed) return;
    pointed = now;
    draw();
  });
  context.listen(canvas, "pointerleave", () => {
    pointed = -1;
    draw();
  });
  context.listen(canvas, "pointerdown", (event: PointerEvent) => {
    const index = boxAt(event);
    if (index >= 0) context.set({ target: index });
  });
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const count = boxes().length;
    if (!by || !count) return;
    context.set({ target: (scene.target + by + count) % count });
    event.preventDefault();
  });
  scene.photo.onLoad(draw);
  context.onTheme(draw);
  context.watch(["boxes", "box_value", "photo", "labels", "target"], () => {
    tell();
    draw();
  });
  return pane;
}
