// Numbers out of the buffers that traits carry.

function bytes(view: DataView | ArrayBuffer | Uint8Array): Uint8Array {
  if (view instanceof ArrayBuffer) return new Uint8Array(view);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export function u8(view: any): Uint8Array {
  return bytes(view);
}

export function i8(view: any): Int8Array {
  return new Int8Array(bytes(view).slice().buffer);
}

// Copied: a view into a message need not be aligned.
export function f32(view: any): Float32Array {
  return new Float32Array(bytes(view).slice().buffer);
}

export function i32(view: any): Int32Array {
  return new Int32Array(bytes(view).slice().buffer);
}
