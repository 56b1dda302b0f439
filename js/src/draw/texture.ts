// Textures of signed numbers as pictures.

import { i8 } from "../model/arrays.ts";
import type { Scene } from "../model/scene.ts";
import type { Texture } from "../model/traits.ts";
import { textured } from "../ui/dom.ts";
import { coloured, flat, limitsIn, type Signed, tabled } from "./signed.ts";

export function signedOf(texture: Texture): Signed {
  return { ...texture, data: i8(texture.data) };
}

/** A texture as a canvas of its own size: in its colours, or in those of the table for signed numbers. */
export function picture(scene: Scene, texture: Texture): HTMLCanvasElement {
  const signed = signedOf(texture);
  if (signed.colours) return textured(coloured(signed, 0), signed.rows, signed.columns);
  const values = flat({ ...signed, planes: 1 }, "signed");
  const limits = limitsIn(values, true);
  return textured(tabled(values, limits, scene.table(limits)), signed.rows, signed.columns);
}
