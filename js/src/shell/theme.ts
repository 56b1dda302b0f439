// Dark or light, as the page around the view is.

import type { Context } from "../model/context.ts";

function isDark(element: HTMLElement): boolean {
  const light = document.body.dataset.jpThemeLight;
  if (light !== undefined) return light === "false";
  const set = document.body.dataset.theme ?? document.documentElement.dataset.theme;
  if (set === "dark" || document.body.classList.contains("dark") || document.documentElement.classList.contains("dark"))
    return true;
  for (let node: Element | null = element.parentElement; node; node = node.parentElement) {
    const [r, g, b, alpha = 1] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    if (r !== undefined && alpha > 0.5) return 0.3 * r + 0.6 * g + 0.1 * b < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keep `data-theme` of the root in line with the page's theme; "nn-theme" is fired when it changes. */
export function followTheme(context: Context): void {
  const { root } = context;
  const update = () => {
    const theme = isDark(root) ? "dark" : "light";
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    root.dispatchEvent(new Event("nn-theme"));
  };
  update();
  const themes = new MutationObserver(update);
  for (const node of [document.body, document.documentElement]) themes.observe(node, { attributes: true });
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", update);
  context.onStop(() => {
    themes.disconnect();
    media.removeEventListener("change", update);
  });
  // Colours of the style sheet are known only once the root is attached to the page.
  if (root.isConnected || typeof ResizeObserver === "undefined") return;
  const attached = new ResizeObserver(() => {
    if (!root.isConnected) return;
    attached.disconnect();
    root.dispatchEvent(new Event("nn-theme"));
  });
  attached.observe(root);
  context.onStop(() => attached.disconnect());
}
