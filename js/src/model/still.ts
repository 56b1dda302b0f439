// The model of a saved page: its traits, and the answers that were stored for a reader's choices.

import type { Model } from "./context.ts";
import type { Traits } from "./traits.ts";

export interface Content {
  state: Record<string, unknown>;
  responses: { on: string[]; table: Record<string, Partial<Traits>> }[];
  esm: string;
  css: string;
}

/** A model over saved state: setting a trait that the page has an answer for changes the answer's traits too. */
export function stillModel({ state, responses }: Content, alone: boolean): Model {
  const values = { ...state };
  const listeners = new Map<string, Set<() => void>>();
  let changed = new Set<string>();
  const put = (name: string, value: unknown) => {
    if (Object.is(values[name], value)) return;
    values[name] = value;
    changed.add(name);
  };
  return {
    get: (name) => values[name],
    set: put,
    save_changes() {
      for (const { on, table } of responses) {
        if (!on.some((name) => changed.has(name))) continue;
        const answer = table[on.map((name) => String(values[name])).join("|")];
        for (const [name, value] of Object.entries(answer ?? {})) put(name, value);
      }
      const now = changed;
      changed = new Set();
      for (const name of now) for (const react of listeners.get(`change:${name}`) ?? []) react();
    },
    on(event, react) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event)!.add(react);
    },
    off: (event, react) => listeners.get(event)?.delete(react),
    alone,
    choices(name) {
      const response = responses.find(({ on }) => on.join("|") === name);
      return response ? Object.keys(response.table) : [];
    },
    answers(name) {
      return Object.values(responses.find(({ on }) => on.join("|") === name)?.table ?? {});
    },
  };
}
