// Controls: choices, buttons, and the toolbars that hold them.

import { Ellipsis, type IconNode } from "lucide";
import { h, uniqueId } from "./dom.ts";
import { icon } from "./icons.ts";
import { t } from "./text.ts";

type Control = HTMLElement | null | false | undefined;

const present = (controls: Control[]) => controls.filter((control): control is HTMLElement => Boolean(control));

/** A labelled choice. In a narrow pane the label is heard and shown on hovering, but takes no room. */
export function choice<Value extends string>(
  label: string,
  options: [value: Value, words: string][],
  pick: (value: Value) => void,
): HTMLLabelElement & { select: HTMLSelectElement } {
  const select = h("select", { onchange: () => pick(select.value as Value) });
  for (const [value, words] of options) select.append(h("option", { value }, words));
  const element = h("label", { class: "nn-control", title: label }, h("span", { class: "nn-label" }, label), select);
  return Object.assign(element, { select });
}

/** A button with an icon; its words are its name and its tooltip. */
export function iconButton(shapes: IconNode, words: string, act?: () => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "nn-icon-button", "aria-label": words, title: words });
  button.append(icon(shapes));
  if (act) button.addEventListener("click", act);
  return button;
}

/** Name a button with an icon anew. */
export function rename(button: HTMLElement, words: string): void {
  button.setAttribute("aria-label", words);
  button.title = words;
}

export type Toggle = HTMLButtonElement & { on(state: boolean): void; readonly pressed: boolean };

/** A button that stays pressed: with words, or with an icon that they name. */
export function toggle(words: string, change: (on: boolean) => void, shapes?: IconNode): Toggle {
  const button = shapes ? iconButton(shapes, words) : h("button", { type: "button" }, words);
  const pressed = () => button.getAttribute("aria-pressed") === "true";
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => change(!pressed()));
  Object.defineProperty(button, "pressed", { get: pressed });
  return Object.assign(button as Toggle, {
    on: (state: boolean) => button.setAttribute("aria-pressed", String(state)),
  });
}

/** A row of controls; none where all of them are left out, so that no gap remains. */
export function row(...controls: Control[]): HTMLElement | null {
  const there = present(controls);
  return there.length ? h("div", { class: "nn-row" }, ...there) : null;
}

/** A pane's controls in one row; the `rare` ones unfold from a button at its end. */
export function toolbar(controls: Control[], rare: Control[] = []): HTMLElement | null {
  const [shown, folded] = [present(controls), present(rare)];
  if (!shown.length && !folded.length) return null;
  return h("div", { class: "nn-toolbar" }, ...shown, ...(folded.length ? more(folded) : []));
}

function more(folded: HTMLElement[]): HTMLElement[] {
  const box = h("div", { class: "nn-more-controls", popover: "auto", id: uniqueId() }, ...folded);
  const button = iconButton(Ellipsis, t("more"));
  // A browser without popovers shows the controls in the row.
  if (!("popover" in HTMLElement.prototype)) return [box];
  button.popoverTargetElement = box;
  button.setAttribute("aria-expanded", "false");
  const place = () => {
    const [from, size] = [button.getBoundingClientRect(), box.getBoundingClientRect()];
    const below = from.bottom + 4;
    const fits = below + size.height < window.innerHeight;
    box.style.top = `${fits ? below : Math.max(4, from.top - size.height - 4)}px`;
    box.style.left = `${Math.max(4, Math.min(from.right - size.width, window.innerWidth - size.width - 4))}px`;
  };
  const hide = (event: Event) => {
    // What is scrolled or moved away from its button would float over something else.
    if (event.target === window || !box.contains(event.target as Node)) box.hidePopover();
  };
  box.addEventListener("click", ({ target }) => {
    // A button has done what it is for; a choice may be one of several.
    if ((target as Element).closest("button")) box.hidePopover?.();
  });
  box.addEventListener("toggle", (event) => {
    const open = (event as ToggleEvent).newState === "open";
    button.setAttribute("aria-expanded", String(open));
    if (open) place();
    const change = open ? "addEventListener" : "removeEventListener";
    document[change]("scroll", hide, { capture: true });
    window[change]("resize", hide);
  });
  return [button, box];
}
