// The photograph alone, for views in which nothing is drawn over it.

import { shownSize } from "../draw/framed.ts";
import type { Context } from "../model/context.ts";
import type { Scene } from "../model/scene.ts";
import { h, say } from "./dom.ts";
import { heading } from "./pane.ts";
import { t } from "./text.ts";

export function stillPhotoPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img" });
  const about = h("div", { class: "nn-soft nn-name nn-line" });
  const draw = () => {
    const image = scene.photo.image;
    if (!image) return;
    const [width, height] = shownSize(context.get("photo"));
    canvas.width = width;
    canvas.height = height;
    canvas.style.setProperty("--nn-ratio", String(width / height));
    canvas.getContext("2d")!.drawImage(image, 0, 0, width, height);
  };
  scene.photo.onLoad(draw);
  context.watch(["photo"], () => {
    canvas.setAttribute("aria-label", context.get("photo").name);
    say(about, context.get("photo").shown_as);
    about.title = context.get("photo").shown_as;
    draw();
  });
  return h("div", {}, heading(t("photograph")), canvas, about);
}
