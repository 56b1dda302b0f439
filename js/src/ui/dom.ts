// Elements without a framework. Strings become text nodes, never HTML.

type Child = Node | string | null | undefined | false;
type Attribute = string | number | boolean | null | undefined | ((event: Event) => void);

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

/** Set text only where it differs, so that nothing flickers and screen readers announce only changes. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

let ids = 0;

export function uniqueId(): string {
  ids += 1;
  return `nnlens-${ids}-${Math.random().toString(36).slice(2, 8)}`;
}

/** Make a canvas `width` × `height` CSS pixels and return its context in those units. */
export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  const [w, t] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== t) {
    canvas.width = w;
    canvas.height = t;
  }
  canvas.style.aspectRatio = `${width} / ${height}`;
  canvas.style.setProperty("--nn-ratio", String(width / height));
  const context = canvas.getContext("2d")!;
  context.setTransform(w / width, 0, 0, t / height, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Packed RGBA values as a canvas of their own size. */
export function textured(pixels: Uint32Array, rows: number, columns: number): HTMLCanvasElement {
  const canvas = h("canvas", { width: columns, height: rows });
  const image = new ImageData(new Uint8ClampedArray(pixels.buffer as ArrayBuffer), columns, rows);
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  return canvas;
}

/** A picture from bytes; `react` is called when it can be drawn. */
export function pictured(bytes: Uint8Array, react: () => void): HTMLImageElement {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([bytes.slice()]));
  image.onload = () => {
    URL.revokeObjectURL(url);
    react();
  };
  image.onerror = () => URL.revokeObjectURL(url);
  image.src = url;
  return image;
}

/** Call `react` when the size of an element changes, and once its size is known. */
export function onResize(context: { onStop(stop: () => void): void }, element: HTMLElement, react: () => void): void {
  if (typeof ResizeObserver === "undefined") return;
  let before = "";
  const observer = new ResizeObserver(() => {
    const now = `${element.clientWidth}×${element.clientHeight}`;
    if (now === before || !element.clientWidth) return;
    before = now;
    react();
  });
  observer.observe(element);
  context.onStop(() => observer.disconnect());
}
