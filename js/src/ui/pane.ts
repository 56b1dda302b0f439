// What the panes with a picture have in common: the order of their lines, so that those of a row are level.

import type { Context } from "../model/context.ts";
import { h, say } from "./dom.ts";

/** A title that names what the pane shows. */
export function heading(...words: (Node | string)[]): HTMLElement {
  return h("h2", { class: "nn-title" }, ...words);
}

/** Say what a pane shows, and of which side where there are several. */
export function entitle(title: HTMLElement, context: Context, words: string): void {
  say(title, context.side ? `${context.side} · ${words}` : words);
}

/**
 * The picture, two lines about it (a legend, or numbers), a line that says what is pointed at or computed, the controls.
 */
export function picturePane(
  title: HTMLElement,
  picture: HTMLElement,
  about: HTMLElement[],
  now: HTMLElement[],
  controls: HTMLElement | null,
): HTMLElement {
  return h(
    "div",
    { class: "nn-picture-pane" },
    title,
    picture,
    h("div", { class: "nn-about" }, ...about),
    h("div", { class: "nn-now-line" }, ...now),
    controls,
  );
}
