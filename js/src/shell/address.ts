// The address of a page that holds one view: it names the state, so that a link leads back to it.

import type { Context, TraitName } from "../model/context.ts";
import { encodeState, showState } from "../model/state.ts";

const MARK = "#nnlens=";
const REST = 300; // milliseconds without a change

export function followAddress(context: Context): void {
  if (!context.model.alone) return;
  if (location.hash.startsWith(MARK)) showState(context, location.hash.slice(MARK.length));
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
