// Undo and redo: the earlier states of the views of one lens, in the order in which the user left them.

import type { Context } from "../model/context.ts";
import { meaningOf } from "../model/meaning.ts";
import { encodeState, showState } from "../model/state.ts";
import type { ReadAs } from "../model/traits.ts";

interface Moment {
  context: Context;
  state: string;
  image: number;
  mask: DataView | null;
  reading: ReadAs | null;
}

/** Changes of the same traits within this time are one: a slider that is dragged. */
const TOGETHER = 800; // milliseconds
const MOST = 200;
/** Besides the traits of the state: what brings another image, hides pixels by hand, reads the scores in another way. */
const ALSO = ["upload", "example_request", "mask", "read_as"];

class History {
  past: Moment[] = [];
  future: Moment[] = [];
  #latest: { names: string; at: number; context: Context | null } = { names: "", at: 0, context: null };
  /** Whether the pointer is pressed: what changes meanwhile is one change. */
  #held = false;
  #reactions = new Set<() => void>();

  #tell(): void {
    for (const react of this.#reactions) react();
  }

  /** Call `react` when it changes whether something can be undone. */
  onChange(context: Context, react: () => void): void {
    this.#reactions.add(react);
    context.onStop(() => this.#reactions.delete(react));
    react();
  }

  /** The user is about to change the traits `names` of a view. */
  note(context: Context, names: string[]): void {
    const known = new Set([...(context.get("state_traits") ?? []).map(({ name }) => name), ...ALSO]);
    const changed = names.filter((name) => known.has(name));
    if (!changed.length) return;
    const now = { names: String(changed), at: Date.now(), context };
    const before = this.#latest;
    const together = this.#held || now.at - before.at < TOGETHER;
    const same = now.names === before.names && context === before.context && together;
    this.#latest = now;
    this.future = [];
    if (!same || !this.past.length) this.past.push(moment(context));
    if (this.past.length > MOST) this.past.shift();
    this.#tell();
  }

  /** The pointer is pressed in a view, or released: a new press begins a new change. */
  press(held: boolean): void {
    this.#held = held;
    if (held) this.#latest = { names: "", at: 0, context: null };
  }

  /** A view is closed: what was done in it cannot be undone. */
  forget(context: Context): void {
    this.past = this.past.filter((other) => other.context !== context);
    this.future = this.future.filter((other) => other.context !== context);
    this.#tell();
  }

  undo = () => this.#move(this.past, this.future);
  redo = () => this.#move(this.future, this.past);

  #move(from: Moment[], to: Moment[]): void {
    const then = from.pop();
    if (!then) return;
    to.push(moment(then.context));
    this.#latest.at = 0;
    show(then);
    this.#tell();
  }
}

/** What was asked of the kernel last: it is the present until the kernel has answered. */
const asked = new WeakMap<Context, Moment>();

function moment(context: Context): Moment {
  const waiting = context.live && context.get("restore") ? asked.get(context) : undefined;
  const [image, mask] = [context.get("image_number") ?? 0, context.find("mask") ?? null];
  const { task, logits = null } = meaningOf(context);
  const reading = task ? { task, logits } : null;
  return waiting ?? { context, state: encodeState(context), image, mask, reading };
}

function show(then: Moment): void {
  const { context, state, image, mask, reading } = then;
  asked.set(context, then);
  if (context.live) context.set({ restore: { state, image, mask, reading } }, false);
  else showState(context, state);
}

/** The views of one lens share a history, though each has a module of its own. */
export function historyOf(context: Context): History {
  const key = Symbol.for("nnlens histories");
  const page = globalThis as { [key: symbol]: Map<string, History> | undefined };
  const histories = page[key] ?? new Map<string, History>();
  page[key] = histories;
  const name = context.get("lens_id") ?? "";
  const history = histories.get(name) ?? new History();
  histories.set(name, history);
  context.onHand((names) => history.note(context, names));
  context.listen(context.root, "pointerdown", () => history.press(true), { capture: true });
  context.listen(window, "pointerup", () => history.press(false), { capture: true });
  context.listen(window, "pointercancel", () => history.press(false), { capture: true });
  context.onStop(() => history.forget(context));
  return history;
}
