// What a pane works with: the model's traits by their types, what a saved page can answer, and when to stop.

import { t } from "../ui/text.ts";
import type { Traits } from "./traits.ts";

export type TraitName = keyof Traits;
/** What a saved page has answers for: a trait, or two that are set together. */
export type AnswerName = TraitName | "size|fill" | "rule|start" | "weight|filter" | "theory|theory_settings";

/** The part of an AFM model that nnlens uses; the host of saved pages has one of its own. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (content?: unknown) => void): void;
  off(event: string, callback: (content?: unknown) => void): void;
  /** A message to the kernel that is not a trait; absent without a kernel. */
  send?(content: unknown): void;
  /** Only without a kernel: the values of `name` that the page has answers for; null if any will do. */
  choices?(name: string): string[] | null;
  /** Only without a kernel: whether the page is of this view alone, so that its address may hold the state. */
  alone?: boolean;
  /** Only without a kernel: the page's answers for `name`, each the traits that change with it. */
  answers?(name: string): Partial<Traits>[];
}

/** Why a control of a saved page does nothing. */
export function needsKernel(): string {
  return t("needs a running kernel: this is a saved page");
}

/** Whether two values of a trait are equal; bytes are only if they are the same object. */
function same(one: unknown, other: unknown): boolean {
  if (one instanceof DataView || other instanceof DataView) return one === other;
  return Object.is(one, other) || JSON.stringify(one) === JSON.stringify(other);
}

/** Milliseconds after which a view says that the kernel does not answer, and between two questions. */
const PATIENCE = 3000;
const ASK_EVERY = 1000;

export class Context {
  readonly live: boolean;
  /** Which side of a comparison it is of, in words; empty in other views. */
  side = "";
  /** Whether the view has been closed. */
  stopped = false;
  /** Whether the kernel does not answer: it runs a cell, or was restarted or shut down while the view was open. */
  silent = false;
  #stops: (() => void)[] = [];

  constructor(
    readonly model: Model,
    readonly root: HTMLElement,
  ) {
    this.live = model.choices === undefined;
    if (!this.live) return;
    const closed = () => this.#setSilent(true);
    const heard = (content: unknown) => {
      if ((content as { heard?: boolean } | undefined)?.heard) this.#answered();
    };
    model.on("comm:close", closed);
    model.on("msg:custom", heard);
    this.#stops.push(() => {
      model.off("comm:close", closed);
      model.off("msg:custom", heard);
      clearTimeout(this.#patience);
    });
    this.#askKernel();
  }

  // No notebook reports in a common way that its kernel is gone, so the view asks: with a change that it sends, and
  // not more than once in a while. Where a question has never been answered, silence means nothing.
  #patience: ReturnType<typeof setTimeout> | undefined;
  #heardAt = -Infinity;
  #silenceReactions: (() => void)[] = [];

  #askKernel(): void {
    if (!this.live || !this.model.send || this.#patience || Date.now() - this.#heardAt < ASK_EVERY) return;
    this.#patience = setTimeout(() => {
      this.#patience = undefined;
      if (this.#heardAt > 0) this.#setSilent(true);
    }, PATIENCE);
    try {
      this.model.send({ heard: true });
    } catch {
      // A closed channel: no answer comes, and the wait says so.
    }
  }

  #answered(): void {
    this.#heardAt = Date.now();
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#setSilent(false);
  }

  #setSilent(silent: boolean): void {
    if (silent === this.silent) return;
    this.silent = silent;
    for (const react of this.#silenceReactions) react();
  }

  /** Call `react` when the kernel stops answering, and when it answers again. */
  onSilence(react: () => void): void {
    this.#silenceReactions.push(react);
  }

  get<K extends TraitName>(name: K): Traits[K] {
    return this.model.get(name) as Traits[K];
  }

  /** A trait that not every view has. */
  find<K extends TraitName>(name: K): Traits[K] | undefined {
    return this.model.get(name) as Traits[K] | undefined;
  }

  #handReactions: ((names: string[]) => void)[] = [];

  /** Call `react` before the user changes traits. */
  onHand(react: (names: string[]) => void): void {
    this.#handReactions.push(react);
  }

  /** Set traits; the kernel, or the saved page, answers. `byHand`: whether the user may want it undone. */
  set(values: Partial<Traits>, byHand = true): void {
    const changed = Object.entries(values).flatMap(([name, value]) => (same(value, this.model.get(name)) ? [] : name));
    if (byHand && changed.length) for (const react of this.#handReactions) react(changed);
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
    this.#askKernel();
  }

  /** Say what could not be done, above the panes; it is no change by hand. */
  fail(message: string): void {
    this.set({ error: { message, traceback: "" } }, false);
  }

  /** Make a request: the kernel sees the counter change. */
  request(
    counter:
      | "refresh"
      | "cancel"
      | "resume"
      | "ablation_run"
      | "ablation_stop"
      | "synthesis_run"
      | "synthesis_stop"
      | "write"
      | "volume_run",
  ): void {
    this.set({ [counter]: this.get(counter) + 1 });
  }

  /** Call `react` now and whenever one of the traits changes; once for changes that come together. */
  watch(names: TraitName[], react: () => void): void {
    let waiting = false;
    const later = () => {
      if (waiting) return;
      waiting = true;
      queueMicrotask(() => {
        waiting = false;
        if (this.#stops.length) react();
      });
    };
    for (const name of names) {
      this.model.on(`change:${name}`, later);
      this.#stops.push(() => this.model.off(`change:${name}`, later));
    }
    react();
  }

  /** Whether the author of the view has left out a pane or a control. */
  hides(name: string): boolean {
    return (this.get("hide") ?? []).includes(name);
  }

  listen<K extends keyof HTMLElementEventMap>(
    target: EventTarget,
    event: K,
    react: (event: HTMLElementEventMap[K]) => void,
    options?: AddEventListenerOptions,
  ): void {
    const listener = react as EventListener;
    target.addEventListener(event, listener, options);
    this.#stops.push(() => target.removeEventListener(event, listener, options));
  }

  /** Call `react` when the theme changes, and when the view's colours become known. */
  onTheme(react: () => void): void {
    this.root.addEventListener("nn-theme", react);
    this.#stops.push(() => this.root.removeEventListener("nn-theme", react));
  }

  onStop(stop: () => void): void {
    this.#stops.push(stop);
  }

  stop(): void {
    this.stopped = true;
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** The answers that a saved page has for `name`; null where every value will do. */
  choices(name: AnswerName): string[] | null {
    return this.model.choices?.(name) ?? null;
  }

  /** The answers themselves. */
  answers(name: AnswerName): Partial<Traits>[] {
    return this.model.answers?.(name) ?? [];
  }

  /** A colour of the style sheet, such as "--nn-accent", for drawing on a canvas. */
  color(name: string): string {
    const style = getComputedStyle(this.root);
    return style.getPropertyValue(name).trim() || style.color;
  }

  get dark(): boolean {
    return this.root.dataset.theme === "dark";
  }
}
