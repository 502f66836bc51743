/**
 * Buffers for reading and writing images. Unused buffers are held weakly: the next image reuses them, and a
 * process that handles no images keeps none after its next garbage collection.
 */
import { IMAGE_BUFFERS_KEPT, IMAGE_WRITE_BYTES } from "../limits.ts";

/** A buffer of IMAGE_WRITE_BYTES with arbitrary old contents. */
export function takeBuffer(): Uint8Array {
  for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
    const buffer = last.deref();
    if (buffer !== undefined) return buffer;
  }
  return new Uint8Array(IMAGE_WRITE_BYTES);
}

/** Returns a buffer that nobody reads or writes any more. */
export function giveBuffer(buffer: Uint8Array): void {
  if (idle.length < IMAGE_BUFFERS_KEPT) idle.push(new WeakRef(buffer));
}

const idle: WeakRef<Uint8Array>[] = [];
