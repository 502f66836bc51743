/**
 * CRC-32C of bytes outside of the banks. The bytes are copied piece by piece into a small memory of the
 * microcode. Everything stays in the processor's cache, which is faster than any table in JavaScript.
 */
import assert from "node:assert/strict";
import { IMAGE_FRAME_BYTES, KIB } from "../limits.ts";
import { WASM_PAGE_BYTES } from "./bank.ts";
import { initCrcTables, Microcode } from "./microcode.ts";

/** CRC-32C of `bytes`, unsigned. `seed` is the result for the bytes before these, 0 at the start. */
export function crc32cOf(bytes: Uint8Array, seed = 0): number {
  scratch ??= makeScratch();
  let crc = seed;
  for (let at = 0; at < bytes.length; at += SCRATCH_BYTES) {
    const piece = bytes.subarray(at, at + SCRATCH_BYTES);
    scratch.bytes.set(piece);
    crc = scratch.microcode.crc32c(0, piece.length, crc);
  }
  return crc;
}

/**
 * CRC-32C of this many zeroes, computed once for each length. Only for lengths of frames, of which there are
 * few.
 */
export function crc32cOfZeroes(lengthBytes: number): number {
  const known = crcsOfZeroes.get(lengthBytes);
  if (known !== undefined) return known;
  assert(lengthBytes <= IMAGE_FRAME_BYTES, "no more lengths are kept than a frame has bytes");
  const crc = crc32cOf(new Uint8Array(lengthBytes));
  crcsOfZeroes.set(lengthBytes, crc);
  return crc;
}

const crcsOfZeroes = new Map<number, number>();

const SCRATCH_BYTES = 64 * KIB;

interface Scratch {
  readonly bytes: Uint8Array;
  readonly microcode: Microcode;
}

/** Made once per thread on first use. Nothing interrupts code that holds bytes there. */
let scratch: Scratch | undefined;

function makeScratch(): Scratch {
  const pages = BigInt(SCRATCH_BYTES / WASM_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ address: "i64", initial: pages, maximum: pages, shared: true });
  const control = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  initCrcTables(control, 0);
  return {
    bytes: new Uint8Array(memory.buffer),
    microcode: new Microcode({ source: memory, destination: memory, control }),
  };
}
