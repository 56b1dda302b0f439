// Below the panes: what is being looked at and computed, the state as code, what the keys do.

import { CodeXml, Keyboard, Link, Redo2, Undo2 } from "lucide";
import type { Context } from "../model/context.ts";
import type { Scene } from "../model/scene.ts";
import { encodeState } from "../model/state.ts";
import { iconButton } from "../ui/controls.ts";
import { copyButton } from "../ui/copy.ts";
import { h, say } from "../ui/dom.ts";
import { t } from "../ui/text.ts";
import type { Keys, ViewDefinition } from "./frame.ts";
import { historyOf } from "./history.ts";

export function footer(context: Context, scene: Scene, { keys, code }: ViewDefinition): HTMLElement {
  const status = h("span", { class: "nn-grow nn-name", "aria-live": "off" });
  const note = h("div", { class: "nn-note", hidden: true });
  const update = () => {
    const parts: string[] = [context.get("photo")?.name];
    const weight = context.find("weight");
    if (weight) parts.push(weight, t("filter {filter}", { filter: context.get("filter") }));
    else if (context.find("mosaic")?.layer)
      parts.push(context.get("layer"), t("unit {unit}", { unit: context.get("unit") }));
    const took = context.find("occluded")?.ms;
    if (took) parts.push(`${Math.round(took)} ms`);
    const now = context.silent ? t("no answer") : context.get("busy") || t("kernel live");
    parts.push(context.live ? now : t("saved page, no kernel"));
    const engine = context.live ? context.get("engine") : "";
    if (engine && engine !== "torch") parts.push(engine);
    status.title = engine ? t("whole passes run on {engine}", { engine }) : "";
    say(status, parts.filter(Boolean).join(" · "));
    say(note, context.get("note"));
    note.hidden = !context.get("note");
  };
  context.watch(["layer", "unit", "weight", "filter", "busy", "occluded", "note", "photo", "engine"], update);
  context.onSilence(update);
  const help = h("dl", { class: "nn-help", hidden: true });
  const undo: Keys = context.hides("undo") ? [] : [[t("Ctrl+Z, Ctrl+Shift+Z"), t("undo, and do again")]];
  for (const [key, what] of [...keys(), ...undo, ["?", t("show or hide this list")]])
    help.append(h("div", {}, h("dt", {}, key), h("dd", {}, what)));
  const ask = iconButton(Keyboard, t("keys"), () => show(help.hidden === true));
  ask.setAttribute("aria-expanded", "false");
  const show = (open: boolean): void => {
    help.hidden = !open;
    ask.setAttribute("aria-expanded", String(open));
  };
  context.listen(context.root, "keydown", (event) => {
    if (event.key === "?" && !(event.target instanceof HTMLInputElement)) show(help.hidden === true);
  });
  const field = h("textarea", {
    class: "nn-code",
    readonly: true,
    rows: 2,
    hidden: true,
    "aria-label": t("copied text"),
  });
  const buttons = [
    ...(context.hides("undo") ? [] : undoButtons(context)),
    ...(context.hides("code") ? [] : [copyButton(field, CodeXml, t("copy as code"), () => code(context, scene))]),
    ...(context.hides("state") ? [] : [copyButton(field, Link, t("copy state"), () => encodeState(context))]),
  ];
  return h("div", { class: "nn-footer" }, note, h("div", { class: "nn-status" }, status, ...buttons, ask), field, help);
}

/** Undo and redo, also as Ctrl+Z and Ctrl+Shift+Z; in a text field these are the field's own. */
function undoButtons(context: Context): HTMLElement[] {
  const history = historyOf(context);
  const [undo, redo] = [iconButton(Undo2, t("undo"), history.undo), iconButton(Redo2, t("redo"), history.redo)];
  context.listen(context.root, "keydown", (event) => {
    // An empty field has nothing of its own to undo.
    const field = event.target instanceof HTMLInputElement && ["search", "text"].includes(event.target.type);
    const types = field && (event.target as HTMLInputElement).value !== "";
    if (types || !(event.ctrlKey || event.metaKey) || !["z", "y"].includes(event.key.toLowerCase())) return;
    event.preventDefault();
    if (event.shiftKey || event.key.toLowerCase() === "y") history.redo();
    else history.undo();
  });
  history.onChange(context, () => {
    const focused = (context.root.getRootNode() as Document | ShadowRoot).activeElement;
    undo.disabled = !history.past.length;
    redo.disabled = !history.future.length;
    // The focus stays in the view, for the keys.
    if (focused === undo && undo.disabled) redo.focus();
    if (focused === redo && redo.disabled) undo.focus();
  });
  return [undo, redo];
}
