/**
 * A context's image, as it stands in LMEM: where its ring is, how far it has been read, sixteen 64-bit
 * registers. An engine loads it when it switches to the context and saves it before it reports the context's
 * last work as done; what does not check out is a fault. The status page, to which sequence numbers are
 * written, follows the image.
 *
 *   +0 magic  +4 context id  +8 flags  +12 ring bank  +16 ring offset (64)  +24 ring bytes  +28 head
 *   +32 page table root offset (64)  +40 page table bank  +44 CRC in progress  +48 rest of a spin in ns (64)
 *   +64 sixteen registers  +192 CRC-32C over the first 192 bytes
 */
import assert from "node:assert/strict";
import type { Microcode, MicrocodePlace } from "./microcode.ts";
import { readAddress, readValue } from "./ring.ts";

const MAGIC = 0x58544354; // "TCTX"
const CHECKED_BYTES = 192;
const CHECKSUM_WORD = CHECKED_BYTES / 4;
const REGISTERS_WORD = 16;

/** Addresses in the ring go through the page table. */
export const CONTEXT_TRANSLATED = 0x1;

/** The image and its status page together. */
export const CONTEXT_IMAGE_BYTES = 8192;
const STATUS_PAGE_OFFSET = 4096;

/** An image in the form that engine and driver use. */
export interface ContextState {
  readonly contextId: number;
  readonly flags: number;
  readonly ringBank: number;
  readonly ringOffsetBytes: number;
  readonly ringBytes: number;
  /** Offset in the ring of the next command. Unit: bytes. */
  head: number;
  readonly pageTableBank: number;
  readonly pageTableOffsetBytes: number;
  /** The checksum that CRC commands continue. */
  crc: number;
  /** The rest of the preempted spin at the head; 0 if none was preempted. */
  spinRemainingNs: bigint;
  /** Sixteen 64-bit registers as pairs of words, low first. */
  readonly registers: Uint32Array;
}

/** Writes an image with its checksum. */
export function saveContext({ words, offsetBytes, microcode }: MicrocodePlace, state: ContextState): void {
  assert(offsetBytes % 4096 === 0, "a context image is page aligned");
  const at = offsetBytes / 4;
  words[at] = MAGIC;
  words[at + 1] = state.contextId;
  words[at + 2] = state.flags;
  words[at + 3] = state.ringBank;
  words[at + 4] = state.ringOffsetBytes >>> 0;
  words[at + 5] = state.ringOffsetBytes / 0x1_0000_0000;
  words[at + 6] = state.ringBytes;
  words[at + 7] = state.head;
  words[at + 8] = state.pageTableOffsetBytes >>> 0;
  words[at + 9] = state.pageTableOffsetBytes / 0x1_0000_0000;
  words[at + 10] = state.pageTableBank;
  words[at + 11] = state.crc;
  words[at + 12] = Number(state.spinRemainingNs & 0xffff_ffffn);
  words[at + 13] = Number(state.spinRemainingNs >> 32n);
  words.fill(0, at + 14, at + REGISTERS_WORD);
  words.set(state.registers, at + REGISTERS_WORD);
  words[at + CHECKSUM_WORD] = microcode.crc32c(offsetBytes, CHECKED_BYTES);
}

/** Reads an image; undefined if it is not an image, or its checksum does not match. */
export function loadContext(
  words: Uint32Array,
  offsetBytes: number,
  microcode: Microcode,
): ContextState | undefined {
  const at = offsetBytes / 4;
  if (words[at] !== MAGIC) return undefined;
  if (words[at + CHECKSUM_WORD] !== microcode.crc32c(offsetBytes, CHECKED_BYTES)) return undefined;
  return {
    contextId: words[at + 1],
    flags: words[at + 2],
    ringBank: words[at + 3],
    ringOffsetBytes: readAddress(words, at + 4),
    ringBytes: words[at + 6],
    head: words[at + 7],
    pageTableOffsetBytes: readAddress(words, at + 8),
    pageTableBank: words[at + 10],
    crc: words[at + 11],
    spinRemainingNs: readValue(words, at + 12),
    registers: words.slice(at + REGISTERS_WORD, at + REGISTERS_WORD + 32),
  };
}

/** Index in `words` of the sequence number on the status page. */
export function statusWord(imageOffsetBytes: number): number {
  return (imageOffsetBytes + STATUS_PAGE_OFFSET) / 4;
}
