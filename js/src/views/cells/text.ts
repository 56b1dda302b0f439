// The text coloured by the chosen cell, with what the model predicts at each token.

import { PenLine } from "lucide";
import { colorOf } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { cellLimits, cellsOf, chosenTrace, predictedOf, tokensOf, tokenWords } from "../../model/tokens.ts";
import { choice, toggle, toolbar } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { share, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { tokenText } from "../../ui/tokens.ts";
import { unitNumber } from "../../ui/unit_number.ts";

/** Milliseconds after the last key until the text is read. */
const PAUSE = 10;

/** A field in which the text is typed or pasted, and the button that shows it. */
export function editor(context: Context): { field: HTMLTextAreaElement; button: HTMLElement | null } {
  const field = h("textarea", { class: "nn-editor", rows: 3, spellcheck: "false", "aria-label": t("the text") });
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const follow = () => {
    const text = context.get("text")?.text ?? "";
    const focused = (field.getRootNode() as Document | ShadowRoot).activeElement === field;
    if (!focused && field.value !== text) field.value = text;
  };
  context.listen(field, "input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => field.value && context.set({ typed: { text: field.value } }, false), PAUSE);
  });
  context.listen(field, "blur", follow);
  context.watch(["text"], follow);
  context.onStop(() => clearTimeout(waiting));
  field.hidden = true;
  if (context.hides("edit")) return { field, button: null };
  const button = toggle(
    t("edit the text"),
    (on) => {
      button.on(on);
      field.hidden = !on;
      if (on) field.focus();
    },
    PenLine,
  );
  context.watch(["text"], () => {
    button.hidden = !context.get("text");
  });
  button.disabled = !context.live;
  if (!context.live) button.title = needsKernel();
  return { field, button };
}

export function textPane(context: Context, scene: Scene): HTMLElement {
  const of = h("span", { class: "nn-name" });
  const count = () => cellsOf(context.get("cells"))?.count ?? 1;
  const title = heading(context.hides("number") ? "" : unitNumber(context, count, "cells", t("cell")), of);
  const scale = legend();
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow", "aria-live": "polite" });
  const notes = h("div", { class: "nn-note", hidden: true });
  const edit = editor(context);

  const scaling = choice(
    t("scale"),
    [
      ["unit", t("per cell")],
      ["layer", t("per layer")],
      ["locked", t("locked")],
    ],
    (value) => context.set({ scale: value }),
  );
  const predicting = toggle(t("predictions"), (on) => context.set({ show_predictions: on }));
  const predicted = () => (context.get("show_predictions") ? predictedOf(context.get("predictions")) : null);

  const colors = () => {
    const cells = cellsOf(context.get("cells"));
    const trace = chosenTrace(context);
    if (!cells || !trace) return null;
    const limits = cellLimits(context, cells, context.get("unit"));
    return { limits, table: scene.table(limits), trace };
  };
  let painting = colors();
  const words = (token: number): string => {
    const parts = [tokenWords(context, token)];
    const value = painting?.trace(token);
    if (value !== undefined) parts.push(short(value));
    const found = predicted();
    if (found) {
      const best = Array.from({ length: found.k }, (_, rank) => {
        const word = JSON.stringify(found.word(token, rank)).slice(1, -1);
        return `“${word}” ${share(found.probability(token, rank))}`;
      });
      const list = best.join(", ");
      parts.push(found.next ? t("next: {list}", { list }) : t("here: {list}", { list }));
    }
    return parts.filter(Boolean).join(" · ");
  };
  const selected = () => context.get("position")?.[1] ?? null;
  const tell = () => {
    const token = scene.selected.hover?.[1] ?? selected();
    const idle = context.get("trace")?.words ?? "";
    say(reading, token === null ? (context.get("trace")?.unit === context.get("unit") ? idle : "") : words(token));
  };
  const marked = (token: number) =>
    context.get("wanted") === "marked" && context.get("marked").some(([first, end]) => token >= first && token < end);
  const text = tokenText(context, {
    tokens: () => tokensOf(context.get("text")),
    color: (token) => {
      if (!painting) return null;
      const value = painting.trace(token);
      return Number.isFinite(value) ? colorOf(value, painting.limits, painting.table) : 0xffd627d6;
    },
    under: (token) => {
      const found = predicted();
      return found ? Array.from({ length: found.k }, (_, rank) => found.word(token, rank)) : null;
    },
    lines: () => predicted()?.k ?? 0,
    marked,
    selected,
    hovered: (token) => {
      scene.selected.hover = token === null ? null : [0, token];
    },
    picked: (token) => context.set({ position: [0, token] }),
    dragged: (first, end) => {
      if (context.live && !context.hides("property")) {
        const before = context.get("wanted") === "marked" ? context.get("marked") : [];
        context.set({ wanted: "marked", marked: [...before, [first, end]] });
      }
    },
    label: () => {
      const token = selected();
      const what = t("text coloured by cell {cell} of {layer}", {
        cell: context.get("unit"),
        layer: context.get("layer"),
      });
      return token === null ? what : `${what}; ${words(token)}`;
    },
  });

  const repaint = () => {
    painting = colors();
    if (painting) scale.show(painting.limits, painting.table, context.get("scale") === "unit" ? t("this cell") : "");
    text.paint();
  };
  // "Locked" keeps the colours of the moment it is chosen, whatever is looked at next.
  context.watch(["scale", "cells"], () => {
    const cells = cellsOf(context.get("cells"));
    if (context.get("scale") === "locked" && !context.get("limits") && cells) {
      context.set({ limits: cellLimits(context, cells, context.get("unit")) }, false);
    } else if (context.get("scale") !== "locked" && context.get("limits")) context.set({ limits: null }, false);
  });
  context.watch(["text", "predictions", "show_predictions"], () => {
    painting = colors();
    text.layout();
  });
  context.watch(["cells", "trace", "unit", "scale", "limits", "marked", "wanted", "position"], repaint);
  context.watch(["position"], () => {
    const token = selected();
    if (token !== null) text.reveal(token);
  });
  context.watch(["layer", "cells"], () =>
    text.element.classList.toggle("nn-stale", cellsOf(context.get("cells"))?.layer !== context.get("layer")),
  );
  scene.selected.onHover(() => {
    text.hover(scene.selected.hover?.[1] ?? null);
    tell();
  });
  context.watch(["unit", "trace", "cells", "position", "predictions", "show_predictions"], tell);
  context.watch(
    ["layer", "unit", "cells", "scale", "show_predictions", "predictions", "predictions_problem", "text"],
    () => {
      const tokens = tokensOf(context.get("text"));
      const cells = cellsOf(context.get("cells"));
      say(of, t("of {layer}", { layer: context.get("layer") }));
      title.title = cells ? `${cells.label} · ${context.get("layer")}` : "";
      scaling.select.value = context.get("scale");
      predicting.on(context.get("show_predictions"));
      const problem = context.get("show_predictions") ? context.get("predictions_problem") : "";
      const found = predicted();
      const about = [
        tokens ? plural("{count} token", "{count} tokens", tokens.count) : "",
        ...(context.get("text")?.notes ?? []),
        found?.about ?? "",
        problem,
      ];
      say(notes, about.filter(Boolean).join(" · "));
      notes.hidden = !notes.textContent;
    },
  );
  context.onTheme(repaint);
  const tools = toolbar([!context.hides("scale") && scaling, !context.hides("predictions") && predicting, edit.button]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    edit.field,
    text.element,
    h("div", { class: "nn-head" }, scale.element, reading),
    notes,
  );
}
