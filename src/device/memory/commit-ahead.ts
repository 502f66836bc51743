/**
 * Commits memory ahead of an engine. For an engine, memory that the operating system must still provide costs
 * five times as much as the copy, because pages come one fault at a time. While the engine copies a list from
 * its start, the otherwise idle main thread touches the pages at its end.
 */
import { COMMIT_AHEAD_SLICE_BYTES } from "../limits.ts";
import type { CopyList } from "./copier.ts";
import type { Memory } from "./memory.ts";

/** Whether some destinations of a list may be memory that nobody has touched since the process began. */
export function isUncommitted(memory: Memory, list: CopyList): boolean {
  // Most lists write to one bank, and may have a thousand copies.
  let { bank } = memory.system;
  for (let at = 0; at < list.count; at++) {
    if (list.destinationBank[at] !== bank.index) bank = memory.region(list.destinationBank[at]).bank;
    if (!bank.isCommitted(list.destination[at], list.lengthBytes[at])) return true;
  }
  return false;
}

/** Waits for `copying`, which carries out `list`, and commits memory meanwhile. Settles like `copying`. */
export async function commitAhead<T>(memory: Memory, list: CopyList, copying: Promise<T>): Promise<T> {
  let running = true;
  const end = (): void => {
    running = false;
  };
  copying.then(end, end);
  let sinceYieldBytes = 0;
  for (let at = list.count - 1; at >= 0 && running; at--) {
    const { bank } = memory.region(list.destinationBank[at]);
    for (let left = list.lengthBytes[at]; left > 0 && running; left -= COMMIT_AHEAD_SLICE_BYTES) {
      const lengthBytes = Math.min(left, COMMIT_AHEAD_SLICE_BYTES);
      sinceYieldBytes += bank.commitRange(list.destination[at] + left - lengthBytes, lengthBytes);
      if (sinceYieldBytes < COMMIT_AHEAD_SLICE_BYTES) continue;
      sinceYieldBytes = 0;
      await memory.services.clock.yield();
    }
  }
  const result = await copying;
  for (let at = 0; at < list.count; at++) {
    memory.region(list.destinationBank[at]).bank.noteCommitted(list.destination[at], list.lengthBytes[at]);
  }
  return result;
}
