/**
 * The page table of the migrate context, as it stands in LMEM: a checksummed root and, for each bank, a flat
 * table of entries for 2 MiB frames. The engine checks the root once per batch and every entry that an
 * address touches; garbage is a page fault. That is why the table must be restored before anything can be
 * copied by an engine.
 *
 *   root   +0 magic  +4 bank count  +8 + 16 * bank: table offset (64), entry count, 0   last word: CRC-32C
 *   entry  bit 31 valid, bit 30 parity of the frame number, bits 0-29 frame number
 */
import assert from "node:assert/strict";
import { MIB } from "../limits.ts";
import type { Microcode, MicrocodePlace } from "./microcode.ts";
import { readAddress } from "./ring.ts";

export const FRAME_BYTES = 2 * MIB;

const MAGIC = 0x54475054; // "TPGT"
const ROOT_BYTES = 256;
const BANKS_MAX = 8;
const VALID = 0x8000_0000;
const PARITY = 0x4000_0000;
const FRAME_MASK = 0x3fff_ffff;

/** The size of the page table for banks of these sizes. Unit: bytes. */
export function pageTableBytes(bankSizesBytes: readonly number[]): number {
  return bankSizesBytes.reduce((sum, size) => sum + Math.ceil(size / FRAME_BYTES) * 4, ROOT_BYTES);
}

/** Writes an identity page table for these banks at `offsetBytes`. */
export function writePageTable(
  { words, offsetBytes, microcode }: MicrocodePlace,
  bankSizesBytes: readonly number[],
): void {
  assert(bankSizesBytes.length <= BANKS_MAX, "the root has room for every bank");
  const root = offsetBytes / 4;
  words.fill(0, root, root + ROOT_BYTES / 4);
  words[root] = MAGIC;
  words[root + 1] = bankSizesBytes.length;
  let table = offsetBytes + ROOT_BYTES;
  bankSizesBytes.forEach((size, bank) => {
    const entries = Math.ceil(size / FRAME_BYTES);
    words[root + 2 + bank * 4] = table >>> 0;
    words[root + 3 + bank * 4] = table / 0x1_0000_0000;
    words[root + 4 + bank * 4] = entries;
    for (let frame = 0; frame < entries; frame++) words[table / 4 + frame] = encodeEntry(frame);
    table += entries * 4;
  });
  words[root + ROOT_BYTES / 4 - 1] = microcode.crc32c(offsetBytes, ROOT_BYTES - 4);
}

/** Writes garbage over the root of the page table at `offsetBytes`, as a stray write would. */
export function damagePageTable(words: Uint32Array, offsetBytes: number): void {
  words.fill(0xdead_beef, offsetBytes / 4, (offsetBytes + ROOT_BYTES) / 4);
}

/** An engine's view of a page table. */
export class PageTableWalker {
  readonly #words: Uint32Array;
  readonly #root: number;
  readonly #offsetBytes: number;
  readonly #microcode: Microcode;

  constructor(words: Uint32Array, offsetBytes: number, microcode: Microcode) {
    this.#words = words;
    this.#offsetBytes = offsetBytes;
    this.#root = offsetBytes / 4;
    this.#microcode = microcode;
  }

  /** Whether the root is intact. Checked once per batch. */
  rootIsValid(): boolean {
    if (this.#words[this.#root] !== MAGIC) return false;
    const checksum = this.#words[this.#root + ROOT_BYTES / 4 - 1];
    return checksum === this.#microcode.crc32c(this.#offsetBytes, ROOT_BYTES - 4);
  }

  /**
   * The physical offset of the byte at `virtual`. `contiguousBytes` is how far the mapping continues from
   * there without a break, at most `lengthBytes`. Undefined for a page fault.
   */
  translate(bank: number, virtual: number, lengthBytes: number): Translation | undefined {
    const bankWord = this.#root + 2 + bank * 4;
    if (bank >= this.#words[this.#root + 1]) return undefined;
    const table = readAddress(this.#words, bankWord) / 4;
    const entries = this.#words[bankWord + 2];
    const first = Math.floor(virtual / FRAME_BYTES);
    const frame = this.#frame(table, entries, first);
    if (frame === undefined) return undefined;
    const inFrame = virtual - first * FRAME_BYTES;
    let contiguousBytes = FRAME_BYTES - inFrame;
    for (let step = 1; contiguousBytes < lengthBytes; step++) {
      const next = this.#frame(table, entries, first + step);
      if (next === undefined) return undefined;
      if (next !== frame + step) break;
      contiguousBytes += FRAME_BYTES;
    }
    return {
      physical: frame * FRAME_BYTES + inFrame,
      contiguousBytes: Math.min(contiguousBytes, lengthBytes),
    };
  }

  #frame(table: number, entries: number, index: number): number | undefined {
    if (index >= entries) return undefined;
    const entry = this.#words[table + index];
    const frame = entry & FRAME_MASK;
    return encodeEntry(frame) === entry ? frame : undefined;
  }
}

export interface Translation {
  readonly physical: number;
  readonly contiguousBytes: number;
}

function encodeEntry(frame: number): number {
  let bits = frame;
  bits ^= bits >>> 16;
  bits ^= bits >>> 8;
  bits ^= bits >>> 4;
  bits ^= bits >>> 2;
  bits ^= bits >>> 1;
  return (VALID | ((bits & 1) === 1 ? PARITY : 0) | frame) >>> 0;
}
