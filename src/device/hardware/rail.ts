/**
 * The power rail. When it goes down, local memory is gone: every page that was ever touched is overwritten with a
 * pattern that is new each time, in slices, so that nothing that was not saved can be read back by luck.
 */
import type { Clock } from "../clock.ts";
import { CPU_SLICE_BYTES } from "../limits.ts";
import type { MemoryBank } from "./bank.ts";
import type { MicrocodeSet } from "./microcode-set.ts";

export interface RailOptions {
  readonly banks: readonly MemoryBank[];
  readonly microcodes: MicrocodeSet;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export class PowerRail {
  readonly #options: RailOptions;
  #pattern = 0;

  constructor(options: RailOptions) {
    this.#options = options;
  }

  /** Cuts the power of the local banks. Legal only when every engine has acknowledged that it has stopped. */
  async cut(): Promise<void> {
    const { banks, microcodes, clock, random } = this.#options;
    const previous = this.#pattern;
    do this.#pattern = Math.floor(random() * 0xffff_ffff) >>> 0;
    while (this.#pattern === previous || this.#pattern === 0);
    for (const bank of banks) {
      for (const range of bank.touchedRanges(CPU_SLICE_BYTES)) {
        microcodes.within(bank.index).fill(range.offsetBytes, range.lengthBytes, this.#pattern);
        await clock.yield();
      }
    }
  }
}
