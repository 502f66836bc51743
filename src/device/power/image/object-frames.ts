/**
 * Objects' bytes as images take and give them: frames of 64 KiB over the runs in which they lie in a bank. Swapped
 * objects go page by page through a bank of one page that is the driver's own.
 */
import { MemoryBank } from "../../hardware/bank.ts";
import type { Microcode } from "../../hardware/microcode.ts";
import type { Memory } from "../../memory/memory.ts";
import { pageRunsOf, type Run } from "../../memory/object-runs.ts";
import { SWAP_PAGE_BYTES, type SwapPage } from "../../memory/swap.ts";
import type { FrameSource, FrameTarget } from "./model.ts";

/** A frame in a bank, to be read or written there; also what swap calls a page. */
export class BankFrame implements FrameSource, FrameTarget, SwapPage {
  readonly lengthBytes: number;
  readonly #bytes: Uint8Array;
  readonly #microcode: Microcode;
  readonly #runs: readonly Run[];

  /**
   * @param bytes the bank's
   * @param microcode works within that bank
   * @param runs where the frame lies, `at` counted from its start
   */
  constructor(bytes: Uint8Array, microcode: Microcode, runs: readonly Run[]) {
    this.#bytes = bytes;
    this.#microcode = microcode;
    this.#runs = runs;
    this.lengthBytes = runs.reduce((sum, run) => sum + run.lengthBytes, 0);
  }

  get runs(): readonly Uint8Array[] {
    return this.#runs.map((run) => this.#viewOf(run));
  }

  isZero(): boolean {
    return this.#runs.every((run) => this.#microcode.isZero(run.bankOffsetBytes, run.lengthBytes));
  }

  crc32c(): number {
    return this.#runs.reduce(
      (crc, run) => this.#microcode.crc32c(run.bankOffsetBytes, run.lengthBytes, crc),
      0,
    );
  }

  copyTo(target: Uint8Array): void {
    for (const run of this.#runs) target.set(this.#viewOf(run), run.at);
  }

  copyFrom(source: Uint8Array): void {
    for (const run of this.#runs) {
      this.#bytes.set(source.subarray(run.at, run.at + run.lengthBytes), run.bankOffsetBytes);
    }
  }

  fillZero(): void {
    for (const run of this.#runs) this.#microcode.fill(run.bankOffsetBytes, run.lengthBytes, 0);
  }

  #viewOf(run: Run): Uint8Array {
    return this.#bytes.subarray(run.bankOffsetBytes, run.bankOffsetBytes + run.lengthBytes);
  }
}

/** The frames of an object that has its bytes in a bank, in order. */
export function* framesInBank(memory: Memory, slot: number): Generator<BankFrame> {
  const { table } = memory;
  const region = memory.region(table.region[slot]);
  const microcode = memory.microcodes.within(region.bank.index);
  for (const runs of pageRunsOf(region, table.resource[slot], table.sizeBytes[slot])) {
    yield new BankFrame(region.bank.bytes, microcode, runs);
  }
}

/** The room of a device for one frame outside of its banks. Whoever writes or reads its image has it to themselves. */
export function scratchFrameOf(memory: Memory): ScratchFrame {
  const known = scratchFrames.get(memory);
  if (known !== undefined) return known;
  const made = new ScratchFrame(memory);
  scratchFrames.set(memory, made);
  return made;
}

/** Kept with the device: microcode of its own costs as much as some hundred frames. */
const scratchFrames = new WeakMap<Memory, ScratchFrame>();

/** Room for one frame, with all that can be done to a frame. */
class ScratchFrame {
  readonly #bank = new MemoryBank(0, SWAP_PAGE_BYTES);
  readonly #microcode: Microcode;

  constructor(memory: Memory) {
    this.#microcode = memory.microcodes.over(this.#bank.memory);
  }

  /** The first `lengthBytes` of the room as a frame. There is only one: the next call is about the same bytes. */
  take(lengthBytes: number): BankFrame {
    return new BankFrame(this.#bank.bytes, this.#microcode, [{ bankOffsetBytes: 0, lengthBytes, at: 0 }]);
  }
}

/** The lengths of the frames of an object of `sizeBytes`. */
export function* frameLengths(sizeBytes: number): Generator<number> {
  for (let at = 0; at < sizeBytes; at += SWAP_PAGE_BYTES) yield Math.min(SWAP_PAGE_BYTES, sizeBytes - at);
}
