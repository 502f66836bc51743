/** Decides when work on the main thread has lasted long enough that others should run. */
import type { Clock } from "./clock.ts";
import { CPU_SLICE_BYTES, WORK_SLICE_ITEMS } from "./limits.ts";

export class WorkSlices {
  readonly #clock: Clock;
  #bytes = 0;
  #items = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one more object, frame or piece of work, and its bytes. Returns true when `rest` is due. */
  spend(bytes: number): boolean {
    this.#bytes += bytes;
    this.#items++;
    return this.#bytes >= CPU_SLICE_BYTES || this.#items >= WORK_SLICE_ITEMS;
  }

  rest(): Promise<void> {
    this.#bytes = 0;
    this.#items = 0;
    return this.#clock.yield();
  }
}
