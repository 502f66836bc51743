/**
 * A memory bank: the bytes of one region, in memory shared by the main thread and every engine.
 *
 * The operating system commits a bank lazily. The bank never gives memory back, because fresh memory is six
 * times slower than warm memory. The bank records which frames were handed out since the last power loss,
 * because the next power loss destroys those, and which of these still have to be overwritten (rail.ts).
 */

import assert from "node:assert/strict";
import type { Extent } from "../extent.ts";
import { BANK_BYTES_MAX, KIB, PAGE_BYTES } from "../limits.ts";
import { MACHINE_WITHOUT_END, type MachineMemory } from "../machine-memory.ts";

/** WebAssembly memories grow in pages of this size. A bank is a whole number of pages. */
export const WASM_PAGE_BYTES = 64 * KIB;

/** The granularity in which a bank records its use. */
const FRAME_BYTES = 64 * KIB;

export class MemoryBank {
  /**
   * Position in the device's list of banks, by which commands and page tables name it. 0 is system memory.
   */
  readonly index: number;
  readonly sizeBytes: number;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #touched: Uint8Array;
  /** By frame: whether it lost its power and still has the bytes of before. Nobody may read these. */
  readonly #lost: Uint8Array;
  /** By frame: whether a part of it was written to, which commits it permanently. */
  readonly #committed: Uint8Array;
  /** By frame: whether the machine was ever asked for it. */
  readonly #promised: Uint8Array;
  readonly #machine: MachineMemory;
  #promisedBytes = 0;
  #lostFrames = 0;

  constructor(index: number, sizeBytes: number, machine = MACHINE_WITHOUT_END) {
    assert(sizeBytes > 0 && sizeBytes % WASM_PAGE_BYTES === 0, "a bank is whole WebAssembly pages");
    assert(sizeBytes <= BANK_BYTES_MAX, "a bank fits one WebAssembly memory");
    const pages = BigInt(sizeBytes / WASM_PAGE_BYTES);
    this.index = index;
    this.sizeBytes = sizeBytes;
    this.memory = new WebAssembly.Memory({ address: "i64", initial: pages, maximum: pages, shared: true });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new Uint32Array(this.memory.buffer);
    this.#touched = new Uint8Array(Math.ceil(sizeBytes / FRAME_BYTES));
    this.#lost = new Uint8Array(this.#touched.length);
    this.#committed = new Uint8Array(this.#touched.length);
    this.#promised = new Uint8Array(this.#touched.length);
    this.#machine = machine;
  }

  /** Bytes requested from the machine since the process began, which is the most that it has given. */
  get promisedBytes(): number {
    return this.#promisedBytes;
  }

  /** What the machine still has, for this bank or another. Bytes. */
  get spareBytes(): number {
    return this.#machine.spareBytes();
  }

  /** Whether the machine was asked for every frame of a range before. */
  isPromised(offsetBytes: number, lengthBytes: number): boolean {
    const last = Math.ceil((offsetBytes + lengthBytes) / FRAME_BYTES);
    for (let frame = Math.floor(offsetBytes / FRAME_BYTES); frame < last; frame++) {
      if (this.#promised[frame] === 0) return false;
    }
    return true;
  }

  /**
   * Asks the machine for the frames of these extents that were never requested. Returns false without any
   * change if it has too little; then the frames must not be touched.
   */
  promise(extents: Iterable<Extent>): boolean {
    const frames: number[] = [];
    for (const { offsetBytes, lengthBytes } of extents) {
      const last = Math.ceil((offsetBytes + lengthBytes) / FRAME_BYTES);
      for (let frame = Math.floor(offsetBytes / FRAME_BYTES); frame < last; frame++) {
        if (this.#promised[frame] === 1) continue;
        this.#promised[frame] = 1;
        frames.push(frame);
      }
    }
    if (frames.length === 0) return true;
    const bytes = frames.length * FRAME_BYTES;
    const isGiven = bytes <= this.#machine.spareBytes();
    if (isGiven) {
      this.#machine.take(bytes);
      this.#promisedBytes += bytes;
    } else for (const frame of frames) this.#promised[frame] = 0;
    return isGiven;
  }

  /**
   * Makes the operating system commit the whole bank, one slice per step, so that other work can run in
   * between. Changes no byte and does not count as touching.
   */
  *commit(sliceBytes: number): Generator<void> {
    for (let at = 0; at < this.sizeBytes; at += sliceBytes) {
      const lengthBytes = Math.min(sliceBytes, this.sizeBytes - at);
      this.commitRange(at, lengthBytes);
      this.noteCommitted(at, lengthBytes);
      yield;
    }
  }

  /**
   * Makes the operating system commit the pages of a range, except frames known to be committed. Changes no
   * byte, even during other writes, and does not count as touching. Returns how many bytes it has handled.
   */
  commitRange(offsetBytes: number, lengthBytes: number): number {
    const end = offsetBytes + lengthBytes;
    let bytes = 0;
    for (let page = offsetBytes - (offsetBytes % PAGE_BYTES); page < end; page += PAGE_BYTES) {
      if (this.#committed[Math.floor(page / FRAME_BYTES)] === 1) continue;
      // A write that changes nothing and does not read first, as Atomics.or and add do on x86. A read would
      // map the shared page of zeroes, and replacing that page is a second fault, which interrupts every
      // processor.
      Atomics.compareExchange(this.words, page / 4, 0, 0);
      bytes += PAGE_BYTES;
    }
    return bytes;
  }

  /**
   * Records that these bytes were written to. Marks whole frames, as a hint of what committing them would
   * cost.
   */
  noteCommitted(offsetBytes: number, lengthBytes: number): void {
    const last = Math.ceil((offsetBytes + lengthBytes) / FRAME_BYTES);
    for (let frame = Math.floor(offsetBytes / FRAME_BYTES); frame < last; frame++) this.#committed[frame] = 1;
  }

  /** Whether every frame of a range was written to. */
  isCommitted(offsetBytes: number, lengthBytes: number): boolean {
    const last = Math.ceil((offsetBytes + lengthBytes) / FRAME_BYTES);
    for (let frame = Math.floor(offsetBytes / FRAME_BYTES); frame < last; frame++) {
      if (this.#committed[frame] === 0) return false;
    }
    return true;
  }

  /** Records that these bytes may be written from now on. */
  markTouched(offsetBytes: number, lengthBytes: number): void {
    assert(offsetBytes >= 0 && offsetBytes + lengthBytes <= this.sizeBytes, "touched bytes lie in the bank");
    const first = Math.floor(offsetBytes / FRAME_BYTES);
    const last = Math.ceil((offsetBytes + lengthBytes) / FRAME_BYTES);
    // A call of fill costs as much as everything else in a small allocation.
    for (let frame = first; frame < last; frame++) this.#touched[frame] = 1;
  }

  /**
   * Records that these bytes have been destroyed and that nobody owns them. Partially covered frames stay
   * touched.
   */
  forgetTouched(offsetBytes: number, lengthBytes: number): void {
    const first = Math.ceil(offsetBytes / FRAME_BYTES);
    const last = Math.floor((offsetBytes + lengthBytes) / FRAME_BYTES);
    if (first < last) this.#touched.fill(0, first, last);
  }

  /** Records that every touched frame has lost its power. Writes nothing. */
  lose(): void {
    for (let frame = 0; frame < this.#touched.length; frame++) {
      this.#lostFrames += this.#touched[frame] & ~this.#lost[frame];
      this.#lost[frame] |= this.#touched[frame];
    }
  }

  /** Whether some frame still has bytes of before a loss of power. Then no byte may be read or handed out. */
  get hasLost(): boolean {
    return this.#lostFrames > 0;
  }

  /** Whether a byte of this range is from before a loss of power. */
  isLost({ offsetBytes, lengthBytes }: Extent): boolean {
    const last = Math.ceil((offsetBytes + lengthBytes) / FRAME_BYTES);
    return this.#lost.subarray(Math.floor(offsetBytes / FRAME_BYTES), last).includes(1);
  }

  /** The lost ranges, merged, none longer than `lengthBytesMax`. */
  *lostRanges(lengthBytesMax: number): Generator<Extent> {
    const framesMax = Math.max(1, Math.floor(lengthBytesMax / FRAME_BYTES));
    let frame = 0;
    while (frame < this.#lost.length) {
      if (this.#lost[frame] === 0) {
        frame++;
        continue;
      }
      const start = frame;
      while (frame < this.#lost.length && this.#lost[frame] === 1 && frame - start < framesMax) frame++;
      const offsetBytes = start * FRAME_BYTES;
      yield { offsetBytes, lengthBytes: Math.min(frame * FRAME_BYTES, this.sizeBytes) - offsetBytes };
    }
  }

  /** Records that a lost range has been overwritten. */
  noteOverwritten({ offsetBytes, lengthBytes }: Extent): void {
    const last = Math.ceil((offsetBytes + lengthBytes) / FRAME_BYTES);
    for (let frame = Math.floor(offsetBytes / FRAME_BYTES); frame < last; frame++) {
      this.#lostFrames -= this.#lost[frame];
      this.#lost[frame] = 0;
    }
  }
}
