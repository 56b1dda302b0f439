// The language of the page around a view, where the lens leaves it to the page.

import type { Context } from "../model/context.ts";

/** Ask the kernel for the page's language; `again` builds the view anew with texts that come later. */
export function followLanguage(context: Context, again: () => void): void {
  const page = document.documentElement.lang.slice(0, 2);
  if (context.live && context.get("language") === "" && page && page !== "en") context.set({ language: page }, false);
  let first = true;
  context.watch(["texts"], () => {
    if (!first) again();
    first = false;
  });
}
