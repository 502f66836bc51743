/**
 * The commands of a ring, as they stand in LMEM: slots of 32 bytes, eight little-endian 32-bit words.
 *
 *   word 0  opcode | flags << 8 | bank A << 16 | bank B << 24
 *   word 1  length in bytes, or an operand
 *   word 2  address A, low and high word
 *   word 4  address B, low and high word
 *   word 6  a 64-bit immediate, low and high word
 *
 * Commands take effect in order. An engine may be preempted between two of them, and within those that wait.
 */

export const COMMAND_BYTES = 32;

export const OP_NOOP = 0x01;
/** Copies `length` bytes from A to B. */
export const OP_COPY = 0x02;
/** Fills `length` bytes at B with the 32-bit pattern in the immediate. */
export const OP_FILL = 0x03;
/** Writes the operand as sequence number to the context's status page. */
export const OP_BREADCRUMB = 0x04;
/** Writes the low word of the immediate to B. */
export const OP_STORE_DWORD = 0x05;
/** Loads the immediate into the register named by the operand. */
export const OP_LOAD_REGISTER = 0x06;
/** Stores the register named by the operand as 64 bits at B. */
export const OP_STORE_REGISTER = 0x07;
/** Adds the immediate to every dword of `length` bytes at B. */
export const OP_ADD = 0x08;
/** XORs it into every dword. */
export const OP_XOR = 0x09;
/** Continues the context's CRC-32C over `length` bytes at A; FLAG_FIRST starts it anew. */
export const OP_CRC_UPDATE = 0x0a;
/** Stores the context's CRC-32C as a dword at B. */
export const OP_CRC_STORE = 0x0b;
/** Stores the time in nanoseconds as 64 bits at B. */
export const OP_TIMESTAMP = 0x0c;
/** Waits until the dword at B is at least the immediate. Preemptible. */
export const OP_SEMAPHORE_WAIT = 0x0d;
/** Waits as many nanoseconds as the immediate says. Preemptible. */
export const OP_SPIN = 0x0e;
/** Never ends and cannot be preempted: only a reset frees the engine. */
export const OP_HANG = 0x0f;

/** On OP_COPY: independent of neighbours that also carry the flag, so they may run interleaved. */
export const FLAG_INDEPENDENT = 0x01;
/** On OP_CRC_UPDATE: starts a new checksum. */
export const FLAG_FIRST = 0x01;

/** Longest range of memory in one command. Unit: bytes. */
export const COMMAND_LENGTH_MAX = 0x4000_0000;

/** A place in a bank. */
export interface BankAddress {
  readonly bank: number;
  readonly offsetBytes: number;
}

/** Encodes commands into a ring in a bank. Positions are byte offsets in the ring and wrap at its end. */
export class RingWriter {
  readonly #words: Uint32Array;
  readonly #baseWord: number;
  readonly sizeBytes: number;
  /** The position of the next command. */
  tail = 0;

  constructor(words: Uint32Array, offsetBytes: number, sizeBytes: number) {
    this.#words = words;
    this.#baseWord = offsetBytes / 4;
    this.sizeBytes = sizeBytes;
  }

  /** A copy that the caller guarantees to be independent of its neighbours. */
  copyIndependent(
    sourceBank: number,
    source: number,
    bank: number,
    destination: number,
    length: number,
  ): void {
    const header = OP_COPY | (FLAG_INDEPENDENT << 8) | (sourceBank << 16) | (bank << 24);
    this.#emit(header, length, source, destination, 0, 0);
  }

  copy(source: BankAddress, destination: BankAddress, lengthBytes: number): void {
    const header = OP_COPY | (source.bank << 16) | (destination.bank << 24);
    this.#emit(header, lengthBytes, source.offsetBytes, destination.offsetBytes, 0, 0);
  }

  fill(at: BankAddress, lengthBytes: number, pattern: number): void {
    this.#emit(OP_FILL | (at.bank << 24), lengthBytes, 0, at.offsetBytes, pattern, 0);
  }

  breadcrumb(seqno: number): void {
    this.#emit(OP_BREADCRUMB, seqno, 0, 0, 0, 0);
  }

  storeDword(to: BankAddress, value: number): void {
    this.#emit(OP_STORE_DWORD | (to.bank << 24), 0, 0, to.offsetBytes, value, 0);
  }

  loadRegister(register: number, value: bigint): void {
    this.#emit64(OP_LOAD_REGISTER, register, value);
  }

  storeRegister(register: number, to: BankAddress): void {
    this.#emit(OP_STORE_REGISTER | (to.bank << 24), register, 0, to.offsetBytes, 0, 0);
  }

  add(at: BankAddress, lengthBytes: number, value: number): void {
    this.#emit(OP_ADD | (at.bank << 24), lengthBytes, 0, at.offsetBytes, value, 0);
  }

  xor(at: BankAddress, lengthBytes: number, value: number): void {
    this.#emit(OP_XOR | (at.bank << 24), lengthBytes, 0, at.offsetBytes, value, 0);
  }

  crcUpdate(from: BankAddress, lengthBytes: number, first: boolean): void {
    const header = OP_CRC_UPDATE | ((first ? FLAG_FIRST : 0) << 8) | (from.bank << 16);
    this.#emit(header, lengthBytes, from.offsetBytes, 0, 0, 0);
  }

  crcStore(to: BankAddress): void {
    this.#emit(OP_CRC_STORE | (to.bank << 24), 0, 0, to.offsetBytes, 0, 0);
  }

  timestamp(to: BankAddress): void {
    this.#emit(OP_TIMESTAMP | (to.bank << 24), 0, 0, to.offsetBytes, 0, 0);
  }

  semaphoreWait(at: BankAddress, value: number): void {
    this.#emit(OP_SEMAPHORE_WAIT | (at.bank << 24), 0, 0, at.offsetBytes, value, 0);
  }

  spin(durationNs: bigint): void {
    this.#emit64(OP_SPIN, 0, durationNs);
  }

  hang(): void {
    this.#emit(OP_HANG, 0, 0, 0, 0, 0);
  }

  #emit64(header: number, operand: number, value: bigint): void {
    this.#emit(header, operand, 0, 0, Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
  }

  #emit(header: number, operand: number, a: number, b: number, low: number, high: number): void {
    const words = this.#words;
    const at = this.#baseWord + this.tail / 4;
    words[at] = header;
    words[at + 1] = operand;
    words[at + 2] = a >>> 0;
    words[at + 3] = a / 0x1_0000_0000;
    words[at + 4] = b >>> 0;
    words[at + 5] = b / 0x1_0000_0000;
    words[at + 6] = low;
    words[at + 7] = high;
    this.tail = (this.tail + COMMAND_BYTES) % this.sizeBytes;
  }
}

/** The address in words `index` and `index + 1`. */
export function readAddress(words: Uint32Array, index: number): number {
  return words[index] + words[index + 1] * 0x1_0000_0000;
}

/** The 64-bit value in words `index` and `index + 1`. */
export function readValue(words: Uint32Array, index: number): bigint {
  return BigInt(words[index]) | (BigInt(words[index + 1]) << 32n);
}
