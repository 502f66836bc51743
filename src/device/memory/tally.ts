/** Counts how much was copied, and by which path. */
import type { CopyPath } from "../events.ts";

export interface Tally {
  objects: number;
  bytes: number;
  blitterBytes: number;
  memcpyBytes: number;
}

export function emptyTally(): Tally {
  return { objects: 0, bytes: 0, blitterBytes: 0, memcpyBytes: 0 };
}

/** Counts what one path copied. */
export function count(
  tally: Tally,
  path: CopyPath,
  { objects, bytes }: { readonly objects: number; readonly bytes: number },
): void {
  tally.objects += objects;
  tally.bytes += bytes;
  if (path === "blitter") tally.blitterBytes += bytes;
  else tally.memcpyBytes += bytes;
}

export function addTally(into: Tally, from: Tally): void {
  into.objects += from.objects;
  into.bytes += from.bytes;
  into.blitterBytes += from.blitterBytes;
  into.memcpyBytes += from.memcpyBytes;
}
