/**
 * The damage that a broken copy engine can do without its fence failing: the failpoints copy.short and
 * copy.corrupt. Only checksums find it.
 */
import { BLIT_CHUNK_BYTES } from "../limits.ts";
import type { CopyList } from "./copier.ts";
import type { Memory } from "./memory.ts";

/** The content where nothing was written. */
const UNWRITTEN = 0xee;

/** Damages the destinations of a list when a failpoint says so. */
export function damageCopy(memory: Memory, list: CopyList): void {
  if (list.count === 0) return;
  if (memory.services.failpoints.fires("copy.short")) {
    const bytes = destinationOf(memory, list, list.count - 1);
    const lastCommandBytes = bytes.length % BLIT_CHUNK_BYTES || BLIT_CHUNK_BYTES;
    bytes.fill(UNWRITTEN, bytes.length - Math.ceil(lastCommandBytes / 2));
  }
  if (memory.services.failpoints.fires("copy.corrupt")) destinationOf(memory, list, 0)[0] ^= 0x01;
}

function destinationOf(memory: Memory, list: CopyList, at: number): Uint8Array {
  const start = list.destination[at];
  return memory.region(list.destinationBank[at]).bank.bytes.subarray(start, start + list.lengthBytes[at]);
}
