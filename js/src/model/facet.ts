// One side of a view that has several: some of the traits are its own, all others are those of the view.

import { Context, type Model, type TraitName } from "./context.ts";
import type { Traits } from "./traits.ts";

/** A context whose traits `own` are read from the traits with another name, or have a fixed value. */
export function facet(
  context: Context,
  own: Partial<Record<TraitName, TraitName>>,
  fixed: Partial<Traits> = {},
): Context {
  const { model } = context;
  const named = (name: string): string => own[name as TraitName] ?? name;
  const event = (name: string): string => name.replace(/^change:(.*)/, (_, trait) => `change:${named(trait)}`);
  const side: Model = {
    get: (name) => (name in fixed ? fixed[name as TraitName] : model.get(named(name))),
    set: (name, value) => model.set(named(name), value),
    save_changes: () => model.save_changes(),
    on: (name, react) => model.on(event(name), react),
    off: (name, react) => model.off(event(name), react),
  };
  if (model.choices) Object.assign(side, { choices: (name: string) => model.choices!(name), answers: () => [] });
  const made = new Context(side, context.root);
  // What a hand does on one side is done in the view: it is undone there.
  made.set = (values, byHand) =>
    context.set(Object.fromEntries(Object.entries(values).map(([name, value]) => [named(name), value])), byHand);
  context.onStop(() => made.stop());
  return made;
}
