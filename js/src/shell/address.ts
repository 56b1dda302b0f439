// The address of a page that holds one view: it names the state, so that a link leads back to it.

import type { Context, TraitName } from "../model/context.ts";
import { encodeState, showState } from "../model/state.ts";

const MARK = "#nnlens=";
const REST = 300; // milliseconds without a change

export function followAddress(context: Context): void {
  if (!context.model.alone) return;
  const follow = () => {
    // What the view itself has written is shown already.
    const text = location.hash.slice(MARK.length);
    if (location.hash.startsWith(MARK) && text !== encodeState(context)) showState(context, text);
  };
  window.addEventListener("hashchange", follow);
  context.onStop(() => window.removeEventListener("hashchange", follow));
  follow();
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let first = true;
  context.watch(
    context.get("state_traits").map(({ name }) => name as TraitName),
    () => {
      if (first) {
        first = false;
        return;
      }
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        try {
          history.replaceState(history.state, "", MARK + encodeState(context));
        } catch {
          // A frame without an address of its own.
        }
      }, REST);
    },
  );
}
