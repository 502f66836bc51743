/** Gives memory back to the system that the start has left unused. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { GIVE_BACK_HEAP_BYTES_MAX } from "../daemon-limits.ts";

/**
 * Collects all garbage and frees the pages that it was in. A start leaves some 20 MiB, and V8 keeps them: a
 * daemon that does little never allocates enough for a collection. Takes some 50 ms, in which the process
 * does nothing else.
 *
 * @param heapBytesMax with a larger heap, as of a device that has resumed with very many objects, nothing is
 * done: it would
 *   take long.
 */
export function giveBackMemory(heapBytesMax = GIVE_BACK_HEAP_BYTES_MAX): void {
  if (process.memoryUsage().heapUsed > heapBytesMax) return;
  // The collector can be called only in a context that is made while this flag is set. No other has it.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  // The usual way keeps freed pages at hand for what comes next.
  if (typeof collect === "function") collect({ type: "major", flavor: "last-resort" });
}
