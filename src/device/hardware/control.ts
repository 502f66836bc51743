/**
 * Control memory: registers, submission ports and descriptors, outside of the banks.
 *
 * Power loss resets it but never poisons it, because a thread that waits on a word here must always be woken.
 * One block belongs to the CPU (its own descriptors) and one to each engine. The layout of a block is in
 * 32-bit words. Two writers never share a line of 64 bytes:
 *
 *   line 0  main writes:    DOORBELL, REQUEST, REQUEST_SERIAL, SUBMITTED
 *   line 1  engine writes:  TAKEN, COMPLETED, EVENT, ACK_SERIAL, STATE, FAULT, SLEEPING, RING_HEAD,
 *                           CONTEXT_ID
 *   line 2  engine writes:  BUSY_NS, MOVED_BYTES (64 bits each)
 *   1 KiB   port: PORT_ENTRIES submissions of 16 bytes
 *   8 KiB   descriptors for the microcode
 */
import assert from "node:assert/strict";
import { WASM_PAGE_BYTES } from "./bank.ts";
import { CRC_TABLES_BYTES, DESCRIPTOR_BYTES, initCrcTables } from "./microcode.ts";

/** Rung by the main thread after every change of its line; engines sleep on it. Word offset in a block. */
export const DOORBELL = 0;
/** What the engine should do: see RUN and HALT. */
export const REQUEST = 1;
/** Rises with each new request; the engine repeats it in ACK_SERIAL when it has obeyed. */
export const REQUEST_SERIAL = 2;
/** Submissions ever written to the port since the last halt. */
export const SUBMITTED = 3;
/** Submissions that the engine has begun. */
export const TAKEN = 16;
/** Submissions that the engine has finished, in order. */
export const COMPLETED = 17;
/** Rises when the main thread should look: completions (moderated), acknowledgements, faults. */
export const EVENT = 18;
export const ACK_SERIAL = 19;
/** One of the STATE_ values. */
export const STATE = 20;
/** One of FAULTS by number; 0 is none. */
export const FAULT = 21;
/** 1 while the engine sleeps on DOORBELL. */
export const SLEEPING = 22;

/** Where the engine last stood in the ring, and in which context's: for the capture of a hang. */
export const RING_HEAD = 23;
export const CONTEXT_ID = 24;
/**
 * While the engine is idle: the nanoseconds that it has been busy. While it is busy: -1 minus the moment at
 * which it would have begun, had it been busy without a pause. One word says both, so no reader sees a half.
 */
export const BUSY_NS = 32;
/** Bytes that the engine has moved: local memory read, written; link out, in. 64 bits each. */
export const MOVED_BYTES = 34;

/** Execute what is in the port, which is empty at first. */
export const RUN = 0;
/** Stop at once and forget everything. */
export const HALT = 1;
/** Stop at the next boundary between commands and save the context; the rest of the port is forgotten. */
export const PREEMPT = 2;

export const STATE_IDLE = 0;
export const STATE_RUNNING = 1;
export const STATE_HALTED = 2;
export const STATE_FAULTED = 3;

/** Submissions a port holds at a time. */
export const PORT_ENTRIES = 256;
/** Most descriptors the microcode takes in one call. */
export const DESCRIPTORS_MAX = 256;

const PORT_WORD = 256;
const DESCRIPTORS_WORD = 2048;
const BLOCK_BYTES = 16 * 1024;

/** What a submission port entry says: run this context's ring up to this tail. */
export interface Submission {
  readonly imageBank: number;
  readonly imageOffsetBytes: number;
  /** Byte offset in the ring, exclusive. */
  readonly ringTail: number;
}

/** Image offsets cross the port in units of this size. */
const IMAGE_UNIT_BYTES = 4096;

export class ControlMemory {
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array;
  readonly #view: Uint32Array;
  readonly #wide: BigInt64Array;

  /**
   * Makes the control memory of a device with `engineCount` engines, or looks at one that another thread
   * made.
   */
  constructor(source: { readonly engineCount: number } | { readonly memory: WebAssembly.Memory }) {
    if ("memory" in source) {
      this.memory = source.memory;
    } else {
      const bytes = blockOffsetBytes(source.engineCount + 1);
      const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
      initCrcTables(this.memory, 0);
    }
    this.words = new Int32Array(this.memory.buffer);
    this.#view = new Uint32Array(this.memory.buffer);
    this.#wide = new BigInt64Array(this.memory.buffer);
  }

  /** Index of a block's register in `words`. */
  register(block: number, register: number): number {
    return blockOffsetBytes(block) / 4 + register;
  }

  load64(block: number, register: number): bigint {
    return Atomics.load(this.#wide, this.register(block, register) / 2);
  }

  store64(block: number, register: number, value: bigint): void {
    Atomics.store(this.#wide, this.register(block, register) / 2, value);
  }

  /** Where a block's descriptors begin, for the microcode. */
  descriptorsOffsetBytes(block: number): number {
    return blockOffsetBytes(block) + DESCRIPTORS_WORD * 4;
  }

  /** Writes descriptor `slot` of a block: `lengthBytes` from one bank offset to another. */
  writeDescriptor(
    block: number,
    slot: number,
    source: number,
    destination: number,
    lengthBytes: number,
  ): void {
    const word = blockOffsetBytes(block) / 4 + DESCRIPTORS_WORD + slot * (DESCRIPTOR_BYTES / 4);
    const view = this.#view;
    view[word] = source >>> 0;
    view[word + 1] = source / 0x1_0000_0000;
    view[word + 2] = destination >>> 0;
    view[word + 3] = destination / 0x1_0000_0000;
    view[word + 4] = lengthBytes >>> 0;
    view[word + 5] = lengthBytes / 0x1_0000_0000;
  }

  writeSubmission(block: number, index: number, submission: Submission): void {
    assert(submission.imageOffsetBytes % IMAGE_UNIT_BYTES === 0, "a context image is page aligned");
    const word = blockOffsetBytes(block) / 4 + PORT_WORD + (index & (PORT_ENTRIES - 1)) * 4;
    this.#view[word] = submission.imageBank;
    this.#view[word + 1] = submission.imageOffsetBytes / IMAGE_UNIT_BYTES;
    this.#view[word + 2] = submission.ringTail;
  }

  readSubmission(block: number, index: number): Submission {
    const word = blockOffsetBytes(block) / 4 + PORT_WORD + (index & (PORT_ENTRIES - 1)) * 4;
    return {
      imageBank: this.#view[word],
      imageOffsetBytes: this.#view[word + 1] * IMAGE_UNIT_BYTES,
      ringTail: this.#view[word + 2],
    };
  }
}

/** Block 0 is the CPU's; engine `n` has block `n + 1`. */
export const CPU_BLOCK = 0;

function blockOffsetBytes(block: number): number {
  return Math.ceil(CRC_TABLES_BYTES / BLOCK_BYTES) * BLOCK_BYTES + block * BLOCK_BYTES;
}

assert(Number.isInteger(Math.log2(PORT_ENTRIES)), "the port's index wraps with the counts");
assert(PORT_WORD * 4 + PORT_ENTRIES * 16 <= DESCRIPTORS_WORD * 4, "the port ends before the descriptors");
assert(
  DESCRIPTORS_WORD * 4 + DESCRIPTORS_MAX * DESCRIPTOR_BYTES <= BLOCK_BYTES,
  "descriptors fit their block",
);
