/** Says when the main thread has worked on bytes for long enough, and lets others run then. */
import type { Clock } from "../clock.ts";
import { CPU_SLICE_BYTES } from "../limits.ts";

export class CpuSlices {
  readonly #clock: Clock;
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts bytes that were worked on. What it answers is to be awaited; nothing when it is too early for a rest. */
  spend(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#bytes < CPU_SLICE_BYTES) return undefined;
    this.#bytes = 0;
    return this.#clock.yield();
  }
}
