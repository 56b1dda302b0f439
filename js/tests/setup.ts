// happy-dom has no canvas of its own: each canvas element draws onto one of @napi-rs/canvas, on real pixels.

import { type Canvas, createCanvas, ImageData as PixelData, type SKRSContext2D } from "@napi-rs/canvas";

const surfaces = new WeakMap<HTMLCanvasElement, Canvas>();

function surfaceOf(element: HTMLCanvasElement): Canvas {
  let surface = surfaces.get(element);
  if (!surface) {
    surface = createCanvas(element.width, element.height);
    const pen = surface.getContext("2d");
    // Elements as sources are replaced by what was drawn on them.
    const drawImage = pen.drawImage.bind(pen) as (source: unknown, ...box: number[]) => void;
    pen.drawImage = ((source: unknown, ...box: number[]) =>
      drawImage(
        source instanceof HTMLCanvasElement ? surfaceOf(source) : source,
        ...box,
      )) as SKRSContext2D["drawImage"];
    surfaces.set(element, surface);
  }
  return surface;
}

for (const side of ["width", "height"] as const) {
  const own = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, side)!;
  Object.defineProperty(HTMLCanvasElement.prototype, side, {
    ...own,
    set(this: HTMLCanvasElement, value: number) {
      own.set!.call(this, value);
      const surface = surfaces.get(this);
      if (surface) surface[side] = value; // which clears it, as in a browser
    },
  });
}
HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement) {
  return surfaceOf(this).getContext("2d");
} as unknown as HTMLCanvasElement["getContext"];
globalThis.ImageData = PixelData as unknown as typeof ImageData;
