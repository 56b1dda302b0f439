// Units as a list with bars: a click goes there.

import { type Context, needsKernel } from "../model/context.ts";
import type { OfUnit, UnitValue } from "../model/traits.ts";
import { h } from "./dom.ts";
import { signed } from "./format.ts";
import { t } from "./text.ts";

/** Fill `list` with units and what each contributes, as bars to the left and right of 0 on one scale. */
export function unitLinks(context: Context, list: HTMLElement, links: UnitValue[]): void {
  const largest = Math.max(1e-12, ...links.map((link) => Math.abs(link.value)));
  const choices = context.choices("layer");
  const held = list.contains((list.getRootNode() as Document | ShadowRoot).activeElement);
  list.replaceChildren(
    ...links.map((link) => {
      const share = (50 * Math.abs(link.value)) / largest;
      const bar = h("span", { class: link.value < 0 ? "nn-less" : "nn-more" });
      bar.style.cssText = `width:${share}%;${link.value < 0 ? `right:50%` : `left:50%`}`;
      const there = link.layer !== "input" && (choices === null || choices.includes(link.layer));
      const layer = link.layer === "input" ? t("input") : link.layer;
      const name = `${layer} · ${link.unit}`;
      const button = h(
        "button",
        {
          type: "button",
          class: "nn-link",
          title: there ? t("go to {unit}", { unit: name }) : link.layer === "input" ? name : needsKernel(),
        },
        h("span", { class: "nn-unit-name" }, h("span", { class: "nn-name" }, h("bdi", {}, layer)), ` · ${link.unit}`),
        h("span", { class: "nn-balance" }, bar),
        h("span", { class: "nn-number" }, signed(link.value)),
      );
      button.disabled = !there;
      // Two steps: a unit of the new layer is checked against that layer's number of units.
      button.addEventListener("click", () => {
        if (link.layer !== context.get("layer")) context.set({ layer: link.layer });
        context.set({ unit: link.unit, position: null });
      });
      return button;
    }),
  );
  // The focus stays in the view, for the keys.
  if (held) list.querySelector("button")?.focus();
}

/** What a saved page says in a pane for which it holds only another unit. */
export function heldWords(payload: OfUnit | null | undefined): string {
  if (!payload) return t("this needs a running kernel: this is a saved page");
  const unit = `${payload.layer} · ${payload.unit}`;
  return t("this page stores {unit} here; other units need a kernel", { unit });
}
