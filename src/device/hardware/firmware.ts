/**
 * The microcontroller's firmware image in LMEM: a header and a payload under one checksum. The loader trusts
 * nothing else.
 *
 *   +0 magic  +4 version  +8 payload bytes  +12 CRC-32C of the payload  +64 payload
 */
import { KIB } from "../limits.ts";
import type { Microcode } from "./microcode.ts";

const MAGIC = 0x43554754; // "TGUC"
const VERSION = 1;
const HEADER_BYTES = 64;
const PAYLOAD_BYTES = 256 * KIB - HEADER_BYTES;

export const FIRMWARE_BYTES = HEADER_BYTES + PAYLOAD_BYTES;

/** Writes the firmware image at `offsetBytes`. `microcode` must work within that bank. */
export function writeFirmware(words: Uint32Array, offsetBytes: number, microcode: Microcode): void {
  const at = offsetBytes / 4;
  const payload = at + HEADER_BYTES / 4;
  let state = 0x9e3779b9;
  for (let word = 0; word < PAYLOAD_BYTES / 4; word++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[payload + word] = state;
  }
  words.fill(0, at, payload);
  words[at] = MAGIC;
  words[at + 1] = VERSION;
  words[at + 2] = PAYLOAD_BYTES;
  words[at + 3] = microcode.crc32c(offsetBytes + HEADER_BYTES, PAYLOAD_BYTES);
}

/** Why the image at `offsetBytes` cannot be loaded, as part of a sentence; undefined if it can. */
export function firmwareDefect(
  words: Uint32Array,
  offsetBytes: number,
  microcode: Microcode,
): string | undefined {
  const at = offsetBytes / 4;
  if (words[at] !== MAGIC) return "its header is not a firmware header";
  if (words[at + 1] !== VERSION) return `its version is ${words[at + 1]}, not ${VERSION}`;
  if (words[at + 2] !== PAYLOAD_BYTES) return `its payload is ${words[at + 2]} bytes, not ${PAYLOAD_BYTES}`;
  const found = microcode.crc32c(offsetBytes + HEADER_BYTES, PAYLOAD_BYTES);
  if (words[at + 3] !== found) return `its checksum is ${found}, not ${words[at + 3]}`;
  return undefined;
}
