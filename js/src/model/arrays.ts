// Numbers out of the buffers that traits carry.

export type Buffer = DataView | ArrayBuffer | Uint8Array;

export function u8(buffer: Buffer): Uint8Array {
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

// Copied: a view into a message need not be aligned.
export function i8(buffer: Buffer): Int8Array {
  return new Int8Array(u8(buffer).slice().buffer);
}

export function u16(buffer: Buffer): Uint16Array {
  return new Uint16Array(u8(buffer).slice().buffer);
}

export function f32(buffer: Buffer): Float32Array {
  return new Float32Array(u8(buffer).slice().buffer);
}

export function i32(buffer: Buffer): Int32Array {
  return new Int32Array(u8(buffer).slice().buffer);
}

/** `make`, but the result for the latest argument is kept: a payload is decoded once, however many panes look. */
export function once<Raw, Made>(make: (raw: Raw) => Made): (raw: Raw) => Made {
  let last: { raw: Raw; made: Made } | null = null;
  return (raw) => {
    if (last === null || raw !== last.raw) last = { raw, made: make(raw) };
    return last.made;
  };
}
