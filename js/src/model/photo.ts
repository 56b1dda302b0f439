// The photograph, decoded once.

import { pictured } from "../ui/dom.ts";
import { once, u8 } from "./arrays.ts";
import type { Context } from "./context.ts";
import type { Photo as Payload } from "./traits.ts";

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

  /** The picture once it is decoded; `onLoad` calls back when that is so. */
  get image(): HTMLImageElement | null {
    const image = this.#decode(this.#context.get("photo"));
    return image?.complete && image.naturalWidth ? image : null;
  }

  onLoad(react: () => void): void {
    this.#loaded.push(react);
  }
}
