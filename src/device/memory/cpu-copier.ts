/**
 * The CPU's memcpy path: the same microcode, run by the main thread in slices, so that the event loop never
 * waits long. It needs only the banks, so it works even if the GT does not.
 */
import { type Clock, sleep } from "../clock.ts";
import type { Extent } from "../extent.ts";
import { type ControlMemory, CPU_BLOCK, DESCRIPTORS_MAX } from "../hardware/control.ts";
import type { MicrocodeSet } from "../hardware/microcode-set.ts";
import type { CpuBytes } from "../hardware/moved-bytes.ts";
import type { Rates } from "../hardware/rates.ts";
import { CPU_SLICE_BYTES } from "../limits.ts";
import type { Copier, CopyList } from "./copier.ts";

/** The bank of system memory; all others are local. */
const SYSTEM_BANK = 0;

export interface CpuCopierOptions {
  readonly control: ControlMemory;
  readonly microcodes: MicrocodeSet;
  readonly clock: Clock;
  /** Counts what the CPU moves to and from the card. */
  readonly cpuBytes: CpuBytes;
  /** The cost of copies in virtual time; undefined if they take real time. */
  readonly rates: Rates | undefined;
  /** A rate limit in real time; undefined for none. */
  readonly bytesPerSecondMax?: number | undefined;
}

export class CpuCopier implements Copier {
  readonly path = "memcpy";
  readonly #options: CpuCopierOptions;
  /** Settles when the current list has ended. There is one CPU, so lists take turns. */
  #idle: Promise<unknown> = Promise.resolve();

  constructor(options: CpuCopierOptions) {
    this.#options = options;
  }

  copy(list: CopyList): Promise<void> {
    const copied = this.#idle.then(() => this.#copy(list));
    this.#idle = copied.catch(() => {});
    return copied;
  }

  async #copy(list: CopyList): Promise<void> {
    let index = 0;
    let done = 0;
    while (index < list.count) {
      const from = list.sourceBank[index];
      const to = list.destinationBank[index];
      let descriptors = 0;
      let bytes = 0;
      while (
        index < list.count &&
        descriptors < DESCRIPTORS_MAX &&
        bytes < CPU_SLICE_BYTES &&
        list.sourceBank[index] === from &&
        list.destinationBank[index] === to
      ) {
        const length = Math.min(list.lengthBytes[index] - done, CPU_SLICE_BYTES - bytes);
        const source = list.source[index] + done;
        this.#options.control.writeDescriptor(
          CPU_BLOCK,
          descriptors,
          source,
          list.destination[index] + done,
          length,
        );
        descriptors++;
        bytes += length;
        done += length;
        if (done === list.lengthBytes[index]) {
          index++;
          done = 0;
        }
      }
      const offset = this.#options.control.descriptorsOffsetBytes(CPU_BLOCK);
      this.#options.microcodes.between(from, to).copyBatch(offset, descriptors);
      await this.#pass(from, to, bytes);
      this.#options.cpuBytes.read(from, bytes);
      this.#options.cpuBytes.write(to, bytes);
    }
  }

  async clear(bank: number, ranges: readonly Extent[]): Promise<void> {
    const microcode = this.#options.microcodes.within(bank);
    let sinceYield = 0;
    for (const range of ranges) {
      for (let done = 0; done < range.lengthBytes; done += CPU_SLICE_BYTES) {
        const length = Math.min(CPU_SLICE_BYTES, range.lengthBytes - done);
        microcode.fill(range.offsetBytes + done, length, 0);
        this.#options.cpuBytes.write(bank, length);
        sinceYield += length;
        if (sinceYield < CPU_SLICE_BYTES) continue;
        sinceYield = 0;
        await this.#options.clock.yield();
      }
    }
  }

  /** Lets time pass for a slice: its cost in virtual time, or a turn of the event loop in real time. */
  #pass(from: number, to: number, bytes: number): Promise<void> {
    const { clock, rates, bytesPerSecondMax } = this.#options;
    if (bytesPerSecondMax !== undefined) return sleep(clock, (bytes / bytesPerSecondMax) * 1000);
    if (rates === undefined || (from === SYSTEM_BANK && to === SYSTEM_BANK)) return clock.yield();
    const rate = from === SYSTEM_BANK ? rates.cpuWriteLocalBytesPerSecond : rates.cpuReadLocalBytesPerSecond;
    return sleep(clock, (bytes / rate) * 1000);
  }
}
