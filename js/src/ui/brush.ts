// Pixels that the user paints over.

import { h } from "./dom.ts";

export class Brush {
  #hidden = new Uint8Array(0);
  #height = 0;
  #width = 0;
  #canvas: HTMLCanvasElement | null = null;
  /** Where the pointer is, (row, column); null when it is outside. */
  at: [number, number] | null = null;

  start(height: number, width: number): void {
    [this.#height, this.#width] = [height, width];
    this.#hidden = new Uint8Array(height * width);
    this.#canvas = null;
    this.at = null;
  }

  lift(): void {
    this.at = null;
  }

  /** Move to a point; with a radius all pixels near the way there are painted, or cleared. Whether any changed. */
  to(y: number, x: number, radius: number, paint: boolean): boolean {
    const [fromY, fromX] = this.at ?? [y, x];
    this.at = [y, x];
    if (!radius) return false;
    let changed = false;
    const [dy, dx] = [y - fromY, x - fromX];
    const length = dy * dy + dx * dx;
    const inside = (value: number, size: number) => Math.min(size, Math.max(0, value));
    const [top, bottom] = [Math.min(y, fromY) - radius, Math.max(y, fromY) + radius];
    const [left, right] = [Math.min(x, fromX) - radius, Math.max(x, fromX) + radius];
    for (let row = inside(Math.floor(top), this.#height); row < inside(Math.ceil(bottom), this.#height); row++) {
      for (
        let column = inside(Math.floor(left), this.#width);
        column < inside(Math.ceil(right), this.#width);
        column++
      ) {
        const [py, px] = [row + 0.5 - fromY, column + 0.5 - fromX];
        const along = length ? Math.min(1, Math.max(0, (py * dy + px * dx) / length)) : 0;
        if ((py - along * dy) ** 2 + (px - along * dx) ** 2 > radius * radius) continue;
        const index = row * this.#width + column;
        if (this.#hidden[index] === Number(paint)) continue;
        this.#hidden[index] = Number(paint);
        changed = true;
      }
    }
    if (changed) this.#canvas = null;
    return changed;
  }

  /** A bit for each pixel, row by row, the highest first; null if nothing is hidden. */
  packed(): DataView | null {
    if (!this.#hidden.includes(1)) return null;
    const bytes = new Uint8Array(Math.ceil(this.#hidden.length / 8));
    for (const [index, bit] of this.#hidden.entries()) bytes[index >> 3] |= bit << (7 - (index & 7));
    return new DataView(bytes.buffer);
  }

  /** Take what `packed` gave. */
  load(mask: DataView): void {
    for (let at = 0; at < this.#hidden.length; at++) this.#hidden[at] = (mask.getUint8(at >> 3) >> (7 - (at & 7))) & 1;
    this.#canvas = null;
  }

  /** What is hidden, opaque, for compositing. */
  picture(): HTMLCanvasElement {
    if (this.#canvas) return this.#canvas;
    this.#canvas = h("canvas", { width: Math.max(1, this.#width), height: Math.max(1, this.#height) });
    const pen = this.#canvas.getContext("2d")!;
    const image = pen.createImageData(this.#canvas.width, this.#canvas.height);
    for (const [index, bit] of this.#hidden.entries()) image.data[4 * index + 3] = 255 * bit;
    pen.putImageData(image, 0, 0);
    return this.#canvas;
  }
}
