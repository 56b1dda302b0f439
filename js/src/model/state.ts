// The state of a view as a short text: what the user has chosen. `nnlens/widgets/base/state.py` says how it is written.

import { t } from "../ui/text.ts";
import type { Context } from "./context.ts";
import type { StateTrait, Traits } from "./traits.ts";

const VERSION = "1";

/** Python's `quote` with the same exceptions. */
const quoted = (text: string) => encodeURIComponent(text).replace(/%(2C|5B|5D|3A)/g, decodeURIComponent);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function encodeState(context: Context): string {
  const parts = [VERSION];
  for (const { name, default: usual, only_if } of context.get("state_traits") ?? []) {
    const value: unknown = context.model.get(name);
    if (only_if && !context.model.get(only_if)) continue;
    const text = JSON.stringify(value ?? null);
    if (text !== usual)
      parts.push(`${name}=${quoted(typeof value === "string" && parsed(value) === value ? value : text)}`);
  }
  return parts.join("&");
}

/** All values of the state in a text, or null where it is none of this view. */
export function decodeState(context: Context, text: string): Map<string, unknown> | null {
  const [version, ...parts] = text.split("&");
  const traits: StateTrait[] = context.get("state_traits") ?? [];
  const values = new Map(traits.map((trait) => [trait.name, parsed(trait.default)]));
  if (version !== VERSION) return null;
  for (const part of parts) {
    const [name, value = ""] = part.split("=");
    if (!values.has(name)) return null;
    values.set(name, parsed(decodeURIComponent(value)));
  }
  return values;
}

/** Show a state in a saved page: the layer first, whose answer sets a unit, then the rest. */
export function showState(context: Context, text: string): void {
  const values = decodeState(context, text);
  const layers = context.choices("layer");
  const layer = values?.get("layer");
  if (!values || (layers?.length && layer !== context.get("layer") && !layers.includes(String(layer)))) {
    const message = values
      ? t("this page does not hold the layer {layer}", { layer: String(layer) })
      : t("this is not a state of this view");
    context.set({ error: { message, traceback: "" } }, false);
    return;
  }
  for (const names of [["layer"], [...values.keys()]])
    context.set(
      Object.fromEntries(
        names.filter((name) => values.has(name)).map((name) => [name, values.get(name)]),
      ) as Partial<Traits>,
      false,
    );
}
