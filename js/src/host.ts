// The static host: runs a widget's module over saved state, where there is no kernel.

import type { Model } from "./model/context.ts";
import type { Traits } from "./model/traits.ts";

interface Content {
  state: Record<string, unknown>;
  responses: { on: string[]; table: Record<string, Partial<Traits>> }[];
  esm: string;
  css: string;
}

async function unpack(text: string): Promise<Content> {
  const packed = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const start = 4 + new DataView(buffer).getUint32(0, true);
  const header = new TextDecoder().decode(new Uint8Array(buffer, 4, start - 4));
  return JSON.parse(header, (_, value) =>
    value && Array.isArray(value.$bytes) ? new DataView(buffer, start + value.$bytes[0], value.$bytes[1]) : value,
  );
}

/** A model over saved state: setting a trait that the page has an answer for changes the answer's traits too. */
function stillModel({ state, responses }: Content): Model {
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
    choices(name) {
      const response = responses.find(({ on }) => on.join("|") === name);
      return response ? Object.keys(response.table) : [];
    },
    answers(name) {
      return Object.values(responses.find(({ on }) => on.join("|") === name)?.table ?? {});
    },
  };
}

async function start(still: HTMLElement): Promise<void> {
  const data = still.querySelector<HTMLScriptElement>('script[type="text/plain"]');
  if (!data?.textContent) return;
  const content = await unpack(data.textContent);
  const url = URL.createObjectURL(new Blob([content.esm], { type: "text/javascript" }));
  const module = await import(url);
  URL.revokeObjectURL(url);
  const element = document.createElement("div");
  const style = document.createElement("style");
  style.textContent = content.css;
  const before = [...still.childNodes];
  still.append(style, element);
  try {
    await module.default.render({ model: stillModel(content), el: element });
    for (const node of before) node.remove();
  } catch (error) {
    for (const node of [style, element]) node.remove();
    throw error;
  }
}

for (const still of document.querySelectorAll<HTMLElement>(".nnlens-still:not([data-started])")) {
  still.dataset.started = "";
  // Where the page forbids what the host needs, the picture stays.
  start(still).catch((error) => console.warn("nnlens falls back to its picture:", error));
}
