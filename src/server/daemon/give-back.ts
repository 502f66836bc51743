/** Returns memory that the start no longer needs to the system. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { GIVE_BACK_HEAP_BYTES_MAX } from "../daemon-limits.ts";

/**
 * Collects all garbage and frees its pages. A start leaves about 20 MiB, which V8 keeps, because a mostly
 * idle daemon never allocates enough for a collection. It takes about 50 ms, during which the process does
 * nothing else.
 * @param heapBytesMax does nothing with a larger heap, as after a resume with very many objects, because it
 * would take long.
 */
export function giveBackMemory(heapBytesMax = GIVE_BACK_HEAP_BYTES_MAX): void {
  if (process.memoryUsage().heapUsed > heapBytesMax) return;
  // The collector is callable only in a context made while this flag is set. No other context has it.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  // The usual collection keeps freed pages for later use.
  if (typeof collect === "function") collect({ type: "major", flavor: "last-resort" });
}
