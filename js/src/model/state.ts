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

/** Whether a value can be one of a trait, as far as that is known without the kernel. */
function fits(context: Context, trait: StateTrait, value: unknown): boolean {
  if (trait.values) return trait.values.includes(String(value));
  const now: unknown = trait.default === null ? context.model.get(trait.name) : parsed(trait.default);
  const isPair = Array.isArray(value) && value.length === 2 && value.every((one) => typeof one === "number");
  if (["position", "occluder", "limits"].includes(trait.name)) return value === null || isPair;
  return now === null || (typeof now === typeof value && Array.isArray(now) === Array.isArray(value));
}

/** The values of the state in a text, or null where it is none of this view. What is missing stays as it is. */
export function decodeState(context: Context, text: string): Map<string, unknown> | null {
  const [version, ...parts] = text.split("&");
  const traits: StateTrait[] = context.get("state_traits") ?? [];
  const given = new Map<string, unknown>();
  if (version !== VERSION) return null;
  try {
    for (const part of parts) {
      const [name, value = ""] = part.split("=");
      const trait = traits.find((known) => known.name === name);
      const made = parsed(decodeURIComponent(value));
      if (!trait || !fits(context, trait, made)) return null;
      given.set(name, made);
    }
  } catch {
    return null; // not the writing of an address
  }
  const all = traits.map(({ name, default: usual }): [string, unknown] => [
    name,
    given.has(name) || usual === null ? given.get(name) : parsed(usual),
  ]);
  return new Map(all.filter(([, value]) => value !== undefined));
}

/** What a state asks for that a saved page cannot show; empty where it can. */
function missing(context: Context, values: Map<string, unknown>): string {
  const wanted = (name: string) => values.get(name) ?? context.model.get(name);
  const changes = (...names: string[]) => names.some((name) => wanted(name) !== context.model.get(name));
  const [layers, pairs] = [context.choices("layer"), context.choices("size|fill")];
  if (layers?.length && changes("layer") && !layers.includes(String(wanted("layer"))))
    return `layer=${wanted("layer")}`;
  if (pairs?.length && changes("size", "fill") && !pairs.includes(`${wanted("size")}|${wanted("fill")}`))
    return `size=${wanted("size")}, fill=${wanted("fill")}`;
  const filters = context.choices("weight|filter");
  if (filters?.length && changes("weight", "filter") && !filters.includes(`${wanted("weight")}|${wanted("filter")}`))
    return `weight=${wanted("weight")}, filter=${wanted("filter")}`;
  const classes = context.get("labels").length;
  return classes && Number(wanted("target")) >= classes ? `target=${wanted("target")}` : "";
}

/** Show a state in a saved page: the layer first, whose answer sets a unit, then the rest. */
export function showState(context: Context, text: string): void {
  const values = decodeState(context, text);
  const show = (names: string[]) => {
    const chosen = names.filter((name) => values!.has(name)).map((name) => [name, values!.get(name)]);
    context.set(Object.fromEntries(chosen) as Partial<Traits>, false);
  };
  let what = values ? missing(context, values) : "";
  if (values && !what) {
    show(["layer"]);
    const units = context.find("mosaic")?.units ?? Number.POSITIVE_INFINITY;
    if (Number(values.get("unit")) >= units) what = `unit=${values.get("unit")}`;
    else show([...values.keys()]);
  }
  if (values && !what) return;
  const message = values ? t("this page does not hold {what}", { what }) : t("this is not a state of this view");
  context.fail(message);
}
