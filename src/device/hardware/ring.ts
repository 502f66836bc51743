/**
 * The commands of a ring, as they stand in LMEM: slots of 32 bytes, eight little-endian 32-bit words.
 *
 *   word 0  opcode | flags << 8 | bank A << 16 | bank B << 24
 *   word 1  length in bytes, or an operand
 *   word 2  address A, low and high word
 *   word 4  address B, low and high word
 *   word 6  a 64-bit immediate, low and high word
 */

export const COMMAND_BYTES = 32;

export const OP_NOOP = 0x01;
/** Copies `length` bytes from A to B. */
export const OP_COPY = 0x02;
/** Fills `length` bytes at B with the 32-bit pattern in the immediate. */
export const OP_FILL = 0x03;
/** Writes the operand as sequence number to the context's status page. */
export const OP_BREADCRUMB = 0x04;

/** On OP_COPY: does not depend on its neighbours that carry the flag too, so they may run interleaved. */
export const FLAG_INDEPENDENT = 0x01;

/** Longest piece of memory that one command names. Bytes. */
export const COMMAND_LENGTH_MAX = 0x4000_0000;

/** Encodes commands into a ring that lies in a bank. Positions are byte offsets in the ring and wrap at its end. */
export class RingWriter {
  readonly #words: Uint32Array;
  readonly #baseWord: number;
  readonly sizeBytes: number;
  /** Where the next command goes. */
  tail = 0;

  constructor(words: Uint32Array, offsetBytes: number, sizeBytes: number) {
    this.#words = words;
    this.#baseWord = offsetBytes / 4;
    this.sizeBytes = sizeBytes;
  }

  copy(
    sourceBank: number,
    source: number,
    destinationBank: number,
    destination: number,
    length: number,
  ): void {
    const header = OP_COPY | (FLAG_INDEPENDENT << 8) | (sourceBank << 16) | (destinationBank << 24);
    this.#emit(header, length, source, destination, 0);
  }

  fill(bank: number, offset: number, length: number, pattern: number): void {
    this.#emit(OP_FILL | (bank << 24), length, 0, offset, pattern);
  }

  breadcrumb(seqno: number): void {
    this.#emit(OP_BREADCRUMB, seqno, 0, 0, 0);
  }

  #emit(header: number, operand: number, a: number, b: number, immediate: number): void {
    const words = this.#words;
    const at = this.#baseWord + this.tail / 4;
    words[at] = header;
    words[at + 1] = operand;
    words[at + 2] = a >>> 0;
    words[at + 3] = a / 0x1_0000_0000;
    words[at + 4] = b >>> 0;
    words[at + 5] = b / 0x1_0000_0000;
    words[at + 6] = immediate;
    words[at + 7] = 0;
    this.tail = (this.tail + COMMAND_BYTES) % this.sizeBytes;
  }
}

/** The address in words `index` and `index + 1`. */
export function readAddress(words: Uint32Array, index: number): number {
  return words[index] + words[index + 1] * 0x1_0000_0000;
}
