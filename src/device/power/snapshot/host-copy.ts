/**
 * Copies between a device's banks and the pool of saved bytes. The host does this, not the device: it takes
 * no engine, passes no window, and costs no virtual time.
 */
import type { FramePool } from "../../memory/frame-pool.ts";
import type { Memory } from "../../memory/memory.ts";
import { type PageRun, pageRunsOf } from "../../memory/object-runs.ts";
import { NONE } from "../../memory/object-table.ts";

/** The runs of each frame of an object that has a place, in order. */
export function frameRunsOf(memory: Memory, slot: number): Generator<readonly PageRun[]> {
  const { table } = memory;
  return pageRunsOf(memory.region(table.region[slot]), table.resource[slot], table.sizeBytes[slot]);
}

/** A frame of an object that is swapped out. */
export interface SwappedFrame {
  readonly slot: number;
  readonly index: number;
  readonly lengthBytes: number;
}

/** Carries bytes between the banks of a device and the pool, which is one more bank to its microcode. */
export class HostCopy {
  readonly #memory: Memory;
  readonly #pool: FramePool;
  readonly #poolBank: number;

  constructor(memory: Memory, pool: FramePool) {
    this.#memory = memory;
    this.#pool = pool;
    this.#poolBank = memory.regions.length;
  }

  /** Saves the bytes of `runs` into a frame of the pool. */
  save(bank: number, runs: readonly PageRun[], frame: number): void {
    const microcode = this.#memory.microcodes.between(bank, this.#poolBank);
    const offsetBytes = this.#pool.offsetOf(frame);
    for (const { bankOffsetBytes, lengthBytes, at } of runs)
      microcode.copyOverlapping(bankOffsetBytes, offsetBytes + at, lengthBytes);
  }

  /** Brings a frame of the pool back to where `runs` are. */
  bringBack(frame: number, bank: number, runs: readonly PageRun[]): void {
    const microcode = this.#memory.microcodes.between(this.#poolBank, bank);
    const offsetBytes = this.#pool.offsetOf(frame);
    for (const { bankOffsetBytes, lengthBytes, at } of runs)
      microcode.copyOverlapping(offsetBytes + at, bankOffsetBytes, lengthBytes);
  }

  /** Reads a frame of a swapped object into the pool. @throws DeviceError CHECKSUM_MISMATCH, COPY_FAILED */
  async saveSwapped({ slot, index, lengthBytes }: SwappedFrame, frame: number): Promise<void> {
    await this.#memory.swap?.readPage(slot, index, this.#pageOf(frame, lengthBytes));
  }

  /** Writes a frame of the pool to where an object is swapped out. @throws DeviceError COPY_FAILED */
  async bringBackSwapped(frame: number, { slot, index, lengthBytes }: SwappedFrame): Promise<void> {
    await this.#memory.swap?.writePage(slot, index, this.#pageOf(frame, lengthBytes));
  }

  #pageOf(frame: number, lengthBytes: number): { readonly runs: readonly Uint8Array[]; crc32c(): number } {
    const offsetBytes = this.#pool.offsetOf(frame);
    const microcode = this.#memory.microcodes.within(this.#poolBank);
    return {
      runs: [this.#pool.bytes.subarray(offsetBytes, offsetBytes + lengthBytes)],
      crc32c: () => microcode.crc32c(offsetBytes, lengthBytes),
    };
  }
}

/** Whether the object has bytes that a snapshot saves. */
export function hasBytes(memory: Memory, slot: number): boolean {
  return memory.table.resource[slot] !== NONE || memory.swap?.has(slot) === true;
}
