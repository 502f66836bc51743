/**
 * Objects' bytes as frames of 64 KiB, for images to read and write, over the runs in which they lie in a
 * bank. Swapped objects go page by page through a bank of one page that belongs to the driver.
 */
import { MemoryBank } from "../../hardware/bank.ts";
import type { Microcode } from "../../hardware/microcode.ts";
import type { FrameSource, FrameTarget } from "../../image/image-model.ts";
import { IMAGE_ZERO_SCAN_BYTES } from "../../limits.ts";
import type { Memory } from "../../memory/memory.ts";
import { type PageRun, pageRunsOf, type Run } from "../../memory/object-runs.ts";
import { SWAP_PAGE_BYTES, type SwapPage } from "../../memory/swap.ts";

/** A frame in a bank that can be read or written. Swap calls it a page. */
export class BankFrame implements FrameSource, FrameTarget, SwapPage {
  readonly lengthBytes: number;
  readonly #bank: FrameBank;
  readonly #runs: readonly PageRun[];
  readonly #zeroes: ZeroScan | undefined;

  /**
   * @param runs where the frame lies, with `at` counted from its start
   * @param zeroes knows where the bank holds zeroes, as long as nobody writes to it
   */
  constructor(bank: FrameBank, runs: readonly PageRun[], zeroes?: ZeroScan) {
    this.#bank = bank;
    this.#runs = runs;
    this.#zeroes = zeroes;
    let lengthBytes = 0;
    for (const run of runs) lengthBytes += run.lengthBytes;
    this.lengthBytes = lengthBytes;
  }

  get runs(): readonly Uint8Array[] {
    return this.#runs.map((run) => this.#viewOf(run));
  }

  isZero(): boolean {
    const { microcode } = this.#bank;
    return this.#runs.every((run) =>
      this.#zeroes === undefined
        ? microcode.isZero(run.bankOffsetBytes, run.lengthBytes)
        : this.#zeroes.isZero(run),
    );
  }

  crc32c(): number {
    const { microcode } = this.#bank;
    return this.#runs.reduce((crc, run) => microcode.crc32c(run.bankOffsetBytes, run.lengthBytes, crc), 0);
  }

  copyTo(target: Uint8Array): void {
    for (const run of this.#runs) target.set(this.#viewOf(run), run.at);
  }

  copyFrom(source: Uint8Array): void {
    for (const run of this.#runs) {
      this.#bank.bytes.set(source.subarray(run.at, run.at + run.lengthBytes), run.bankOffsetBytes);
    }
  }

  fillZero(): void {
    for (const run of this.#runs) this.#bank.microcode.fill(run.bankOffsetBytes, run.lengthBytes, 0);
  }

  #viewOf(run: Run): Uint8Array {
    return this.#bank.bytes.subarray(run.bankOffsetBytes, run.bankOffsetBytes + run.lengthBytes);
  }
}

/** The bytes of a bank, and the microcode that works within it. */
interface FrameBank {
  readonly bytes: Uint8Array;
  readonly microcode: Microcode;
}

/** Looks for zeroes in several frames at once, which is faster. Legal while nobody writes there. */
class ZeroScan {
  readonly #microcode: Microcode;
  /** The zeroes that were found last. */
  #start = 0;
  #end = 0;

  constructor(microcode: Microcode) {
    this.#microcode = microcode;
  }

  isZero({ bankOffsetBytes, lengthBytes, contiguousBytes }: PageRun): boolean {
    const end = bankOffsetBytes + lengthBytes;
    if (bankOffsetBytes < this.#start || end > this.#end) {
      const bytes = Math.min(contiguousBytes, IMAGE_ZERO_SCAN_BYTES);
      this.#start = bankOffsetBytes;
      this.#end = bankOffsetBytes + this.#microcode.countZeroes(bankOffsetBytes, bytes);
    }
    return end <= this.#end;
  }
}

/** The frames of an object in a bank, in order, for writing. */
export function* framesInBank(memory: Memory, slot: number): Generator<BankFrame> {
  const bank = bankOf(memory, slot);
  for (const runs of pagesOf(memory, slot)) yield new BankFrame(bank, runs);
}

/** The same for reading, while nobody writes to them. */
export function* readFramesInBank(memory: Memory, slot: number): Generator<BankFrame> {
  const bank = bankOf(memory, slot);
  const zeroes = new ZeroScan(bank.microcode);
  for (const runs of pagesOf(memory, slot)) yield new BankFrame(bank, runs, zeroes);
}

function pagesOf(memory: Memory, slot: number): Generator<readonly PageRun[]> {
  const { table } = memory;
  return pageRunsOf(memory.region(table.region[slot]), table.resource[slot], table.sizeBytes[slot]);
}

function bankOf(memory: Memory, slot: number): FrameBank {
  const { bank } = memory.region(memory.table.region[slot]);
  return { bytes: bank.bytes, microcode: memory.microcodes.within(bank.index) };
}

/**
 * A buffer of the device for one frame outside of its banks. Only the current writer or reader of its image
 * uses it.
 */
export function scratchFrameOf(memory: Memory): ScratchFrame {
  const known = scratchFrames.get(memory);
  if (known !== undefined) return known;
  const made = new ScratchFrame(memory);
  scratchFrames.set(memory, made);
  return made;
}

/** Kept with the device, because making its microcode costs as much as some hundred frames. */
const scratchFrames = new WeakMap<Memory, ScratchFrame>();

/** Room for one frame, with all that can be done to a frame. */
class ScratchFrame {
  readonly #bank: FrameBank;

  constructor(memory: Memory) {
    const bank = new MemoryBank(0, SWAP_PAGE_BYTES);
    this.#bank = { bytes: bank.bytes, microcode: memory.microcodes.over(bank.memory) };
  }

  /**
   * The first `lengthBytes` of the buffer as a frame. There is only one buffer, so the next call concerns the
   * same bytes.
   */
  take(lengthBytes: number): BankFrame {
    const run = { bankOffsetBytes: 0, lengthBytes, at: 0, contiguousBytes: lengthBytes };
    return new BankFrame(this.#bank, [run]);
  }
}

/** The lengths of the frames of an object of `sizeBytes`. */
export function* frameLengths(sizeBytes: number): Generator<number> {
  for (let at = 0; at < sizeBytes; at += SWAP_PAGE_BYTES) yield Math.min(SWAP_PAGE_BYTES, sizeBytes - at);
}
