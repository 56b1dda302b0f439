// Below the panes: what is being looked at and computed, the state as code, what the keys do.

import type { Context } from "../model/context.ts";
import type { Scene } from "../model/scene.ts";
import { h, say } from "../ui/dom.ts";
import type { ViewDefinition } from "./frame.ts";

export function footer(context: Context, scene: Scene, { keys, code }: ViewDefinition): HTMLElement {
  const status = h("span", { class: "nn-grow", "aria-live": "off" });
  const note = h("div", { class: "nn-note", hidden: true });
  const update = () => {
    const parts: string[] = [context.get("photo")?.name];
    if (context.find("mosaic")?.layer) parts.push(context.get("layer"), `unit ${context.get("unit")}`);
    const took = context.find("occluded")?.ms;
    if (took) parts.push(`${took.toFixed(0)} ms`);
    const now = context.silent ? "no answer" : context.get("busy") || "kernel live";
    parts.push(context.live ? now : "saved page, no kernel");
    say(status, parts.filter(Boolean).join(" · "));
    say(note, context.get("note"));
    note.hidden = !context.get("note");
  };
  context.watch(["layer", "unit", "busy", "occluded", "note", "photo"], update);
  context.onSilence(update);
  const help = h("dl", { class: "nn-help", hidden: true });
  for (const [key, what] of keys) help.append(h("dt", {}, key), h("dd", {}, what));
  const ask = h("button", { type: "button", "aria-expanded": "false", "aria-label": "keys" }, "?");
  const toggle = (open: boolean): void => {
    help.hidden = !open;
    ask.setAttribute("aria-expanded", String(open));
  };
  context.listen(ask, "click", () => toggle(help.hidden === true));
  context.listen(context.root, "keydown", (event) => {
    if (event.key === "?" && !(event.target instanceof HTMLInputElement)) toggle(help.hidden === true);
  });
  const line = h("div", { class: "nn-row nn-status" }, status);
  if (!context.hides("code")) line.append(copyButton(context, () => code(context, scene)));
  line.append(ask);
  return h("div", { class: "nn-footer" }, note, line, help);
}

function copyButton(context: Context, code: () => string): HTMLElement {
  const button = h("button", { type: "button" }, "copy as code");
  const field = h("textarea", {
    class: "nn-code",
    readonly: true,
    rows: 2,
    hidden: true,
    "aria-label": "this state as code",
  });
  context.listen(button, "click", async () => {
    field.value = code();
    try {
      await navigator.clipboard.writeText(field.value);
      say(button, "copied");
      setTimeout(() => say(button, "copy as code"), 1500);
    } catch {
      // No clipboard here (a page from a file): show the text, selected.
      field.hidden = false;
      field.focus();
      field.select();
    }
  });
  return h("span", { class: "nn-row" }, field, button);
}
