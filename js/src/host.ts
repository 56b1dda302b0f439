// The static host: runs a widget's module over saved state, where there is no kernel.

import { type Content, stillModel } from "./model/still.ts";

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
    await module.default.render({ model: stillModel(content, "alone" in still.dataset), el: element });
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
