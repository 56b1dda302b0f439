// The frame around the panes of a view.

import { Context, type Model } from "../model/context.ts";
import { Scene } from "../model/scene.ts";
import { h } from "../ui/dom.ts";
import { footer } from "./footer.ts";
import { takeImages } from "./images.ts";
import { errorNotice, staleNotice } from "./notices.ts";
import { followTheme } from "./theme.ts";

export type Pane = (context: Context, scene: Scene) => HTMLElement;

/** What the keys do, as the help shows it. */
export type Keys = [key: string, what: string][];

export interface ViewDefinition {
  /** The name of the view's folder. */
  name: string;
  /** Panes, column by column. */
  columns: Pane[][];
  /** Panes below the columns. */
  below?: Pane[];
  keys: Keys;
  /** The state of the view as a line of Python. */
  code(context: Context, scene: Scene): string;
}

/** What anywidget expects: a module's default export. */
export interface ViewModule {
  render(given: { model: Model; el: HTMLElement }): () => void;
  definition: ViewDefinition;
}

/** A pane with its name for `hide`. */
export function pane(name: string, title: string, make: Pane): Pane {
  return (context, scene) => {
    if (context.hides(name)) return h("div", { hidden: true });
    const body = make(context, scene);
    body.classList.add("nn-pane");
    body.dataset.pane = name;
    body.setAttribute("role", "group");
    body.setAttribute("aria-label", title);
    return body;
  };
}

export function view(definition: ViewDefinition): ViewModule {
  const render = ({ model, el }: { model: Model; el: HTMLElement }) => {
    const root = h("div", { class: `nnlens nn-${definition.name}` });
    const context = new Context(model, root);
    const scene = new Scene(context);
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
      h("div", { class: "nn-columns" }, ...definition.columns.map((panes) => column(context, scene, panes))),
      ...(definition.below ?? []).map((make) => make(context, scene)),
      footer(context, scene, definition),
    );
    takeImages(context);
    followTheme(context);
    return () => {
      context.stop();
      root.remove();
    };
  };
  return { render, definition };
}

/** Panes in columns, below the others. */
export function grid(name: string, columns: Pane[][]): Pane {
  return (context, scene) =>
    h("div", { class: `nn-columns nn-${name}-columns` }, ...columns.map((panes) => column(context, scene, panes)));
}

function column(context: Context, scene: Scene, panes: Pane[]): HTMLElement {
  const made = panes.map((make) => make(context, scene));
  return h("div", { class: "nn-column", hidden: made.every((element) => element.hidden) }, ...made);
}
