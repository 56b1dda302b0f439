// The photograph, decoded once.

import { shownSize } from "../draw/framed.ts";
import { traceCanvas } from "../draw/trace.ts";
import { pictured } from "../ui/dom.ts";
import { once, u8 } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { Photo as Payload } from "./traits.ts";

export type Picture = HTMLImageElement | HTMLCanvasElement;

export class Photo {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  #loaded: (() => void)[] = [];
  #decode = once((payload: Payload): HTMLImageElement | null => {
    if (!payload?.data) return null;
    return pictured(u8(payload.data), () => {
      for (const react of this.#loaded) react();
    });
  });

  #traced: { payload: Payload; look: string; canvas: HTMLCanvasElement } | null = null;

  /** A signal in the colours of the theme, which are not known before the view is in the page. */
  #trace(payload: Payload): HTMLCanvasElement {
    const [ink, line, dim] = ["--nn-ink", "--nn-line", "--nn-dim"].map((name) => this.#context.color(name));
    const [size, names] = [shownSize(payload), payload.channel_names];
    // Letters are of one size on the screen, however wide the view is.
    const text = Math.max(
      1,
      Math.round((4 * payload.shown![0]) / (this.#context.root.clientWidth || payload.shown![0])) / 4,
    );
    const look = [ink, line, dim, text, ...size].join();
    if (this.#traced?.payload !== payload || this.#traced.look !== look) {
      const axis: [number, string] = payload.rate ? [payload.width / payload.rate, " s"] : [payload.width, ""];
      const canvas = traceCanvas(payload.trace!, size, { ink, line, dim }, axis, { names, text });
      this.#traced = { payload, look, canvas };
    }
    return this.#traced.canvas;
  }

  /** The picture once it is decoded; `onLoad` calls back when that is so. */
  get image(): Picture | null {
    const payload = this.#context.get("photo");
    if (payload?.trace) return this.#trace(payload);
    const image = this.#decode(payload);
    return image?.complete && image.naturalWidth ? image : null;
  }

  onLoad(react: () => void): void {
    this.#loaded.push(react);
  }
}
