/**
 * Buffers for images on their way. Those that are not used any more are kept weakly: the next image takes
 * them again, and a process that writes none has nothing of them after its next garbage collection.
 */
import { IMAGE_BUFFERS_KEPT, IMAGE_WRITE_BYTES } from "../limits.ts";

/** A buffer of IMAGE_WRITE_BYTES, which holds whatever it held before. */
export function takeBuffer(): Uint8Array {
  for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
    const buffer = last.deref();
    if (buffer !== undefined) return buffer;
  }
  return new Uint8Array(IMAGE_WRITE_BYTES);
}

/** Gives back a buffer that nobody reads or writes any more. */
export function giveBuffer(buffer: Uint8Array): void {
  if (idle.length < IMAGE_BUFFERS_KEPT) idle.push(new WeakRef(buffer));
}

const idle: WeakRef<Uint8Array>[] = [];
