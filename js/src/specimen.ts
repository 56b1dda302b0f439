// Every control and state, light beside dark: docs/contributing/specimen.html, for those who work on the look of the views.

import { Blend, Eraser, Pin, Play, Redo2, Square, Undo2 } from "lucide";
import type { Table } from "./draw/colors.ts";
import { legend } from "./draw/legend.ts";
import { choice, iconButton, row, toggle, toolbar } from "./ui/controls.ts";
import { h } from "./ui/dom.ts";
import { heading, picturePane } from "./ui/pane.ts";

const gradient = (from: number[], to: number[]): Table =>
  Uint32Array.from({ length: 256 }, (_, at) => {
    const [r, g, b] = from.map((low, channel) => Math.round(low + ((to[channel] - low) * at) / 255));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });

const disabled = (control: HTMLButtonElement, why: string): HTMLButtonElement => {
  control.disabled = true;
  control.title = why;
  return control;
};

const OPTIONS: [string, string][] = [
  ["one", "background"],
  ["other", "a choice with a long name"],
];

function section(title: string, ...content: (HTMLElement | null)[]): HTMLElement {
  const body = h("section", { class: "nn-pane" }, heading(title), ...content);
  body.style.flexBasis = "280px";
  return body;
}

function controls(): HTMLElement {
  const pressed = toggle("pressed", () => {});
  pressed.on(true);
  const pinned = toggle("pin", () => {}, Pin);
  pinned.on(true);
  const off = choice("disabled", OPTIONS, () => {});
  off.select.disabled = true;
  off.title = "needs a kernel";
  const slider = h("input", { type: "range", min: 1, max: 9, value: 4, "aria-label": "size" });
  return section(
    "controls",
    row(
      h("button", { type: "button" }, "button"),
      pressed,
      disabled(h("button", { type: "button" }, "disabled"), "why"),
    ),
    row(
      iconButton(Undo2, "undo"),
      disabled(iconButton(Redo2, "redo"), "nothing to do again"),
      pinned,
      iconButton(Eraser, "erase"),
      iconButton(Blend, "over the photograph"),
    ),
    row(
      choice("fill", OPTIONS, () => {}),
      off,
    ),
    h(
      "label",
      { class: "nn-control nn-slider" },
      h("span", { class: "nn-label" }, "size"),
      slider,
      h("output", {}, "56 px"),
    ),
    row(
      h("input", { type: "number", value: 12, class: "nn-short", "aria-label": "unit" }),
      h("input", { type: "search", placeholder: "filter…", "aria-label": "filter" }),
      h("label", { class: "nn-control" }, h("input", { type: "checkbox", checked: true }), "checked"),
    ),
    toolbar([choice("show", OPTIONS, () => {}), iconButton(Pin, "pin")], [choice("rarely used", OPTIONS, () => {})]),
  );
}

function type(): HTMLElement {
  return section(
    "type",
    h("div", { class: "nn-reading" }, "espresso .95 → .34"),
    h("div", {}, "text: 12 px on lines of 16 px, figures 0123456789 of one width"),
    h("div", { class: "nn-soft" }, "what is said beside it"),
    h(
      "div",
      { class: "nn-name" },
      "a text that has no room for all of its words ends where the pane ends, with an ellipsis",
    ),
  );
}

function bars(): HTMLElement {
  const bar = (name: string, number: string, width: string, chosen: boolean) => {
    const now = h("span", { class: "nn-now" });
    now.style.width = width;
    const clean = h("span", { class: "nn-clean" });
    clean.style.left = "94%";
    return h(
      "button",
      { type: "button", class: "nn-bar", "aria-pressed": String(chosen) },
      h("span", { class: "nn-name" }, name),
      h("span", { class: "nn-track" }, now, chosen && clean),
      h("span", { class: "nn-number" }, number),
    );
  };
  const node = (name: string, shape: string, state: Record<string, string>) =>
    h(
      "div",
      { class: "nn-node", role: "treeitem", ...state },
      h("span", { class: "nn-name" }, name),
      h("span", { class: "nn-soft nn-shape" }, shape),
    );
  const tree = h(
    "div",
    { class: "nn-tree", role: "tree", "aria-label": "layers" },
    node("features.3 ReLU", "64×55²", {}),
    node("features.4 Conv2d", "64×55²", { "aria-selected": "true" }),
    node("features.5 (not in this page)", "64×27²", { "aria-disabled": "true" }),
  );
  return section("selection", bar("espresso", ".95 → .34", "34%", true), bar("cup", ".01 → .22", "22%", false), tree);
}

function picture(dark: boolean, stale: boolean): HTMLElement {
  const canvas = h("canvas", {
    class: `nn-photo${stale ? " nn-stale" : ""}`,
    width: 24,
    height: 12,
    role: "img",
    "aria-label": "values",
  });
  canvas.style.setProperty("--nn-ratio", "1");
  const pen = canvas.getContext("2d")!;
  for (let at = 0; at < 24 * 12; at++) {
    pen.fillStyle = `hsl(${dark ? 210 : 25} 60% ${20 + ((at * 37) % 60)}%)`;
    pen.fillRect(at % 24, Math.floor(at / 24), 1, 1);
  }
  const scale = legend();
  scale.show([-0.2, 0.2], gradient(dark ? [90, 174, 240] : [5, 48, 97], [230, 123, 36]), "change of probability");
  const progress = h("progress", { max: 1, value: 0.4, "aria-label": "computed" });
  const now = stale
    ? [h("span", { class: "nn-soft nn-grow" }, "48 of 144 positions, 3 s left"), progress, iconButton(Square, "stop")]
    : [h("span", { class: "nn-soft nn-grow" }, "lowest −.20 at (32, 80)"), iconButton(Play, "continue")];
  const pane = picturePane(
    heading(stale ? "stale, busy" : "picture"),
    canvas,
    [scale.element],
    now,
    toolbar([iconButton(Pin, "pin")]),
  );
  pane.classList.add("nn-pane");
  return pane;
}

function states(): HTMLElement {
  const verdict = (kind: string, words: string) => h("span", { class: `nn-chip nn-${kind}` }, words);
  return section(
    "notices and verdicts",
    h("div", { class: "nn-error" }, h("div", {}, "size must be 1…28, got 90")),
    h("div", { class: "nn-changed" }, "The model has changed since this was computed."),
    h("div", { class: "nn-warning" }, "no map: the layer has no gradient"),
    h("div", { class: "nn-soft nn-empty" }, "an empty pane says what to do"),
    row(verdict("good", "✓ holds"), verdict("doubtful", "? doubtful"), verdict("bad", "✗ speaks against it")),
  );
}

for (const theme of ["light", "dark"]) {
  const root = h("div", { class: "nnlens" });
  root.dataset.theme = theme;
  const panes = [
    type(),
    controls(),
    bars(),
    picture(theme === "dark", false),
    picture(theme === "dark", true),
    states(),
  ];
  root.append(h("div", { class: "nn-rows" }, h("div", { class: "nn-panes" }, ...panes)));
  document.querySelector("main")!.append(h("h1", {}, theme), root);
}
