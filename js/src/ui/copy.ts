// A button that copies a text.

import type { IconNode } from "lucide";
import { iconButton, rename } from "./controls.ts";
import { t } from "./text.ts";

/** Where there is no clipboard the text is shown in `field`, selected. */
export function copyButton(
  field: HTMLTextAreaElement,
  shapes: IconNode,
  words: string,
  text: () => string,
): HTMLElement {
  const button = iconButton(shapes, words, async () => {
    field.value = text();
    try {
      await navigator.clipboard.writeText(field.value);
      rename(button, t("copied"));
      setTimeout(() => rename(button, words), 1500);
    } catch {
      // No clipboard here (a page from a file).
      field.hidden = false;
      field.focus();
      field.select();
    }
  });
  return button;
}
