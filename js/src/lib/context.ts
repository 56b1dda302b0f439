// What a pane knows of the world: the model's traits, what a page without a kernel can answer, and when to stop.

/** The part of an AFM model that nnlens uses; the static host has one of its own. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
  /** Only without a kernel: the values of `name` that the page has answers for; null if any will do. */
  choices?(name: string): string[] | null;
  /** Only without a kernel: the page's answers for `name`, each the traits that change with it. */
  answers?(name: string): Record<string, any>[];
}

export const NEEDS_KERNEL = "needs a running kernel: this is a saved page";

export class Context {
  readonly live: boolean;
  /** Whether the view is gone. */
  stopped = false;
  /** Whether the kernel is: it was restarted or shut down while the view was open. */
  gone = false;
  private stops: (() => void)[] = [];

  constructor(
    readonly model: Model,
    readonly root: HTMLElement,
  ) {
    this.live = model.choices === undefined;
    if (!this.live) return;
    // ipywidgets' managers tell when a model loses its channel to the kernel, or has one again.
    const lost = () => this.setGone(true);
    model.on("comm:close", lost);
    this.stops.push(() => model.off("comm:close", lost));
    const changed = () => this.setGone((model as any).comm_live === false || !this.gone);
    model.on("comm_live_update", changed);
    this.stops.push(() => model.off("comm_live_update", changed));
  }

  private goneReactions: (() => void)[] = [];

  private setGone(gone: boolean): void {
    if (gone === this.gone) return;
    this.gone = gone;
    for (const react of this.goneReactions) react();
  }

  /** Call `react` when the kernel goes, or comes back. */
  onGone(react: () => void): void {
    this.goneReactions.push(react);
  }

  get<T = any>(name: string): T {
    return this.model.get(name) as T;
  }

  /** Set traits; the kernel, or the saved page, answers. */
  set(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  /** Call `react` now and whenever one of the traits changes; once for changes that come together. */
  watch(names: string[], react: () => void): void {
    let waiting = false;
    const later = () => {
      if (waiting) return;
      waiting = true;
      queueMicrotask(() => {
        waiting = false;
        if (this.stops.length) react();
      });
    };
    for (const name of names) {
      this.model.on(`change:${name}`, later);
      this.stops.push(() => this.model.off(`change:${name}`, later));
    }
    react();
  }

  /** Whether the author of the view has left a part out. */
  hides(part: string): boolean {
    return (this.get<string[]>("hide") ?? []).includes(part);
  }

  listen<K extends keyof HTMLElementEventMap>(
    target: EventTarget,
    event: K | string,
    react: (event: any) => void,
    options?: AddEventListenerOptions,
  ): void {
    target.addEventListener(event, react, options);
    this.stops.push(() => target.removeEventListener(event, react, options));
  }

  onStop(stop: () => void): void {
    this.stops.push(stop);
  }

  stop(): void {
    this.stopped = true;
    for (const stop of this.stops.splice(0)) stop();
  }

  /** The answers that a saved page has for `name`; null where every value will do. */
  choices(name: string): string[] | null {
    return this.model.choices?.(name) ?? null;
  }

  /** The answers themselves. */
  answers(name: string): Record<string, any>[] {
    return this.model.answers?.(name) ?? [];
  }

  get dark(): boolean {
    return this.root.dataset.theme === "dark";
  }
}
