// happy-dom draws nothing: a pen that takes every stroke and remembers none.

const pen: any = new Proxy(
  {},
  {
    get: (_, name) =>
      name === "getImageData"
        ? () => ({ data: new Uint8ClampedArray(4) })
        : name === "measureText"
          ? () => ({ width: 10 })
          : () => undefined,
    set: () => true,
  },
);
HTMLCanvasElement.prototype.getContext = (() => pen) as any;
globalThis.ImageData ??= class {
  constructor(
    readonly data: Uint8ClampedArray,
    readonly width: number,
    readonly height: number,
  ) {}
} as any;
