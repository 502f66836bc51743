/**
 * The power rail. When it goes down, local memory is lost, and in hibernation system memory too. Every page
 * touched since the last time is overwritten, in slices, with a pattern that is new each time. So nothing
 * that was not saved can be read back by luck.
 */
import type { Clock } from "../clock.ts";
import { CPU_SLICE_BYTES } from "../limits.ts";
import type { MemoryBank } from "./bank.ts";
import type { MicrocodeSet } from "./microcode-set.ts";

/** The bank of system memory, which keeps its bytes in S3. */
const SYSTEM_BANK = 0;

export interface RailOptions {
  /** Every bank of the device. */
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

  /**
   * Cuts the power of the local banks, and optionally of system memory. Legal only when every engine has
   * acknowledged that it has stopped. Returns the pattern that the memory now contains.
   */
  async cut(what: "local" | "all" = "local"): Promise<number> {
    const { banks, microcodes, clock, random } = this.#options;
    const drawn = Math.floor(random() * 0xffff_ffff) >>> 0;
    const isNew = drawn !== 0 && drawn !== this.#pattern;
    this.#pattern = isNew ? drawn : (this.#pattern % 0xffff_ffff) + 1;
    for (const bank of banks) {
      if (bank.index === SYSTEM_BANK && what === "local") continue;
      for (const range of bank.touchedRanges(CPU_SLICE_BYTES)) {
        microcodes.within(bank.index).fill(range.offsetBytes, range.lengthBytes, this.#pattern);
        await clock.yield();
      }
    }
    return this.#pattern;
  }
}
