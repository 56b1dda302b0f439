// The frame around the panes of a view.

import { isTrace } from "../draw/framed.ts";
import { Context, type Model } from "../model/context.ts";
import { Scene } from "../model/scene.ts";
import { h } from "../ui/dom.ts";
import { useTexts } from "../ui/text.ts";
import { followAddress } from "./address.ts";
import { footer } from "./footer.ts";
import { takeImages } from "./images.ts";
import { followLanguage } from "./language.ts";
import { errorNotice, staleNotice } from "./notices.ts";
import { followTheme } from "./theme.ts";

/** Makes an area of a view; null where the author of the view has left it out. */
export type Pane = (context: Context, scene: Scene) => HTMLElement | null;

/** What the keys do, as the help shows it. */
export type Keys = [key: string, what: string][];

export interface ViewDefinition {
  /** The name of the view's folder. */
  name: string;
  /** Called before the panes are made. */
  prepare?(context: Context): void;
  /** Panes, row by row; a row that has no room for its panes is broken into several. */
  rows: Pane[][];
  /** Called when the view is built, for the words depend on the language. */
  keys(): Keys;
  /** The state of the view as a line of Python. */
  code(context: Context, scene: Scene): string;
}

/** What anywidget expects: a module's default export. */
export interface ViewModule {
  render(given: { model: Model; el: HTMLElement }): () => void;
  definition: ViewDefinition;
}

/** A pane with its name for `hide`; `title` is called when it is made, for the words depend on the language. */
export function pane(name: string, title: () => string, make: (context: Context, scene: Scene) => HTMLElement): Pane {
  return (context, scene) => {
    if (context.hides(name)) return null;
    const body = make(context, scene);
    body.classList.add("nn-pane");
    body.dataset.pane = name;
    body.setAttribute("role", "group");
    body.setAttribute("aria-label", title());
    return body;
  };
}

/** Panes that share a place in a row: one below the other, or side by side where the place is wide. */
export function stack(...panes: Pane[]): Pane {
  return (context, scene) => group("nn-stack", panes, context, scene);
}

/** Three panes side by side, however narrow. */
export function trio(...panes: Pane[]): Pane {
  return (context, scene) => group("nn-trio", panes, context, scene);
}

/** Rows of panes. */
export function rowsOf(rows: Pane[][], context: Context, scene: Scene): HTMLElement[] {
  return rows
    .map((panes) => group("nn-panes", panes, context, scene))
    .filter((element): element is HTMLElement => element !== null);
}

function group(kind: string, panes: Pane[], context: Context, scene: Scene): HTMLElement | null {
  const made = panes.map((make) => make(context, scene)).filter((element) => element !== null);
  return made.length ? h("div", { class: kind }, ...made) : null;
}

export function view(definition: ViewDefinition): ViewModule {
  /** Build the view; `again` is called when its texts have come in another language. */
  const build = (model: Model, el: HTMLElement, again: () => void) => {
    const root = h("div", { class: `nnlens nn-${definition.name}` });
    const context = new Context(model, root);
    const scene = new Scene(context);
    useTexts(context.get("language"), context.get("texts") ?? {});
    definition.prepare?.(context);
    el.append(root);
    // The notebook must not take the keys that the panes understand. It looks at the focused element first,
    // and before any listener here receives the key.
    context.listen(root, "focusin", ({ target }) =>
      (target as Element).setAttribute("data-lm-suppress-shortcuts", "true"),
    );
    context.listen(root, "keydown", (event) => event.stopPropagation());
    root.append(
      errorNotice(context),
      staleNotice(context),
      h("div", { class: "nn-rows" }, ...rowsOf(definition.rows, context, scene)),
      footer(context, scene, definition),
    );
    // A signal is long: what is drawn over it takes the whole width.
    context.watch(["photo"], () => root.classList.toggle("nn-of-trace", isTrace(context.find("photo"))));
    takeImages(context);
    followAddress(context);
    followTheme(context);
    followLanguage(context, again);
    return () => {
      context.stop();
      root.remove();
    };
  };
  const render = ({ model, el }: { model: Model; el: HTMLElement }) => {
    let stop: () => void;
    const again = () => {
      stop();
      stop = build(model, el, again);
    };
    stop = build(model, el, again);
    return () => stop();
  };
  return { render, definition };
}
