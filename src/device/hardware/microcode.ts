/**
 * The microcode moves bytes and computes on them. This is the interface of microcode.wat.
 *
 * Nothing is checked here. A range outside its bank, or an offset or length that no bank could have, traps in
 * the module. `isTrap` distinguishes such an error, which is an engine fault, from a bug of ours.
 */
import assert from "node:assert/strict";
import { MICROCODE_BASE64 } from "./microcode-binary.ts";

/**
 * Banks are memory64, and both may be the same. Control memory is wasm32 and begins with the CRC tables. All
 * are shared.
 */
export interface MicrocodeMemories {
  readonly source: WebAssembly.Memory;
  readonly destination: WebAssembly.Memory;
  readonly control: WebAssembly.Memory;
}

/**
 * A copy descriptor in control memory: u64 source offset, u64 destination offset, u64 length, little-endian.
 */
export const DESCRIPTOR_BYTES = 24;

/** The size of the CRC tables at the start of control memory: 16 tables of 256 words. */
export const CRC_TABLES_BYTES = 16 * 256 * 4;

/** The location of hardware data in a bank, and the microcode that works within that bank. */
export interface MicrocodePlace {
  readonly words: Uint32Array;
  readonly offsetBytes: number;
  readonly microcode: Microcode;
}

/**
 * The microcode for one ordered pair of banks, on one thread. Offsets and lengths are bytes in a bank and
 * safe integers; fractions are cut off. Bytes that another thread writes meanwhile may be torn, as on
 * hardware.
 */
export class Microcode {
  readonly #kernels: Kernels;

  /** @param memories whose control memory already holds the CRC tables (`initCrcTables`). */
  constructor(memories: MicrocodeMemories) {
    const { source, destination, control } = memories;
    const effectOfOne = new Uint32Array(control.buffer, 0, 2)[1];
    assert(effectOfOne === crcOfByte(1), "the CRC tables are written before any microcode is made");
    const instance = new WebAssembly.Instance(compiled(), { env: { source, destination, control } });
    this.#kernels = kernelsOf(instance);
  }

  /**
   * Copies `count` descriptors, starting at `descriptorsOffset` in control memory, from source to
   * destination. None may touch what another one writes, or overlap itself, because they are interleaved.
   * After a trap, any part of any of them may have been written.
   */
  copyBatch(descriptorsOffset: number, count: number): void {
    this.#kernels.copyBatch(descriptorsOffset, count);
  }

  /** Copies one range that may overlap its destination, like memmove. Writes nothing if it traps. */
  copyOverlapping(sourceOffset: number, destinationOffset: number, lengthBytes: number): void {
    this.#kernels.copyOverlapping(sourceOffset, destinationOffset, lengthBytes);
  }

  /**
   * Repeats a 32-bit pattern over the destination, lowest byte first. The last repetition may be cut short.
   */
  fill(offsetBytes: number, lengthBytes: number, pattern: number): void {
    this.#kernels.fill(offsetBytes, lengthBytes, pattern);
  }

  /**
   * Adds to every little-endian dword of the destination, modulo 2^32. Traps if the length is not a multiple
   * of a dword.
   */
  addRange(offsetBytes: number, lengthBytes: number, value: number): void {
    this.#kernels.addRange(offsetBytes, lengthBytes, value);
  }

  /** XORs every little-endian dword of the destination. Traps if the length is not a multiple of a dword. */
  xorRange(offsetBytes: number, lengthBytes: number, value: number): void {
    this.#kernels.xorRange(offsetBytes, lengthBytes, value);
  }

  /** CRC-32C of the source, unsigned. `seed` is the result for the bytes before these, 0 at the start. */
  crc32c(offsetBytes: number, lengthBytes: number, seed = 0): number {
    return this.#kernels.crc32c(offsetBytes, lengthBytes, seed) >>> 0;
  }

  /**
   * How many bytes at the start of the source range are 0: all of them, or those in whole zero blocks of 64
   * bytes. A shorter last block counts byte by byte.
   */
  countZeroes(offsetBytes: number, lengthBytes: number): number {
    return this.#kernels.countZeroes(offsetBytes, lengthBytes);
  }

  /** Whether every byte of the source range is 0. */
  isZero(offsetBytes: number, lengthBytes: number): boolean {
    return this.#kernels.countZeroes(offsetBytes, lengthBytes) === Math.trunc(lengthBytes);
  }
}

/**
 * Whether this is the error of a range that the microcode refused: a fault of the command, not of this
 * program.
 */
export function isTrap(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError;
}

/**
 * Writes the CRC tables: table k holds, for every byte, the CRC register k zero bytes after it. Called once
 * per control memory, before any thread makes microcode on it.
 * @param tablesOffset 0, where the module expects them
 */
export function initCrcTables(control: WebAssembly.Memory, tablesOffset: number): void {
  assert(tablesOffset === 0, "the module looks for the CRC tables at the start of control memory");
  const tables = new Uint32Array(control.buffer, tablesOffset, CRC_TABLES_BYTES / 4);
  for (let byte = 0; byte < 256; byte++) {
    let register = crcOfByte(byte);
    for (let index = byte; index < tables.length; index += 256) {
      tables[index] = register;
      register = (register >>> 8) ^ crcOfByte(register & 0xff);
    }
  }
}

/** The functions of the module. Except for counts, results are signed 32-bit numbers. */
interface Kernels {
  copyBatch(descriptorsOffset: number, count: number): void;
  copyOverlapping(sourceOffset: number, destinationOffset: number, lengthBytes: number): void;
  fill(offsetBytes: number, lengthBytes: number, pattern: number): void;
  addRange(offsetBytes: number, lengthBytes: number, value: number): void;
  xorRange(offsetBytes: number, lengthBytes: number, value: number): void;
  crc32c(offsetBytes: number, lengthBytes: number, seed: number): number;
  countZeroes(offsetBytes: number, lengthBytes: number): number;
}

const KERNEL_NAMES: Readonly<Record<keyof Kernels, true>> = {
  copyBatch: true,
  copyOverlapping: true,
  fill: true,
  addRange: true,
  xorRange: true,
  crc32c: true,
  countZeroes: true,
};

/** The Castagnoli polynomial, reflected and without its x^32. */
const CRC_POLYNOMIAL = 0x82f63b78;

/** Compiled once per thread on first use. */
let compiledModule: WebAssembly.Module | undefined;

function compiled(): WebAssembly.Module {
  compiledModule ??= new WebAssembly.Module(
    Uint8Array.from(atob(MICROCODE_BASE64), (character) => character.charCodeAt(0)),
  );
  return compiledModule;
}

function kernelsOf(instance: WebAssembly.Instance): Kernels {
  const { exports } = instance;
  assert(hasKernels(exports), "microcode-binary.ts is generated from this version of microcode.wat");
  return exports;
}

function hasKernels(
  exports: WebAssembly.Instance["exports"],
): exports is WebAssembly.Instance["exports"] & Kernels {
  return Object.keys(KERNEL_NAMES).every((name) => typeof exports[name] === "function");
}

function crcOfByte(byte: number): number {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) {
    register = (register >>> 1) ^ (register & 1 ? CRC_POLYNOMIAL : 0);
  }
  return register >>> 0;
}
