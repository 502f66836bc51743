/**
 * The power rail. When it goes down, local memory is lost, and in hibernation system memory too. On a card
 * the bytes are gone at once. Here they are marked as lost at once, and overwritten before anybody can read
 * them: in slices while the device sleeps, and what is left when power returns. The pattern is new each time,
 * so nothing that was not saved can be read back by luck.
 */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import { DeviceError } from "../errors.ts";
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
  /** The overwriting that runs; undefined when nothing is lost, or the device is closed. */
  #overwriting: Promise<void> | undefined;
  #closed = false;

  constructor(options: RailOptions) {
    this.#options = options;
  }

  /**
   * Cuts the power of the local banks, and optionally of system memory, and begins to overwrite what they
   * had. Legal only when every engine has acknowledged that it has stopped. Until `restored` resolves, nobody
   * may read or write these banks. Returns the pattern that the memory will contain.
   */
  cut(what: "local" | "all" = "local"): number {
    const { banks, random } = this.#options;
    const drawn = Math.floor(random() * 0xffff_ffff) >>> 0;
    const isNew = drawn !== 0 && drawn !== this.#pattern;
    this.#pattern = isNew ? drawn : (this.#pattern % 0xffff_ffff) + 1;
    for (const bank of banks) {
      if (bank.index === SYSTEM_BANK && what === "local") continue;
      bank.lose();
    }
    this.#overwriting ??= this.#overwrite().finally(() => {
      this.#overwriting = undefined;
    });
    return this.#pattern;
  }

  /**
   * Power is back. Resolves when every lost byte has been overwritten, which is the earliest moment at which
   * memory may be read, restored to or handed out.
   * @throws DeviceError ENGINE_HUNG when the device was closed before that.
   */
  async restored(): Promise<void> {
    await this.#overwriting;
    if (this.#closed) throw new DeviceError("ENGINE_HUNG", "The device was closed while it had no power.");
    assert(!this.#options.banks.some((bank) => bank.hasLost), "what lost its power has been overwritten");
  }

  /** The device ends: nothing is overwritten any more. Its memory must not be used again. */
  close(): void {
    this.#closed = true;
  }

  async #overwrite(): Promise<void> {
    const { banks, microcodes, clock } = this.#options;
    // A sleeping device can go deeper, and lose another bank meanwhile.
    for (let bank = lostOf(banks); bank !== undefined; bank = lostOf(banks)) {
      for (const range of bank.lostRanges(CPU_SLICE_BYTES)) {
        await clock.yield();
        if (this.#closed) return;
        microcodes.within(bank.index).fill(range.offsetBytes, range.lengthBytes, this.#pattern);
        bank.noteOverwritten(range);
      }
    }
  }
}

function lostOf(banks: readonly MemoryBank[]): MemoryBank | undefined {
  return banks.find((bank) => bank.hasLost);
}
