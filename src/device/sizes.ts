/**
 * The legal sizes of a device's memory, for the device and for its configuration. A problem is the rest of a
 * sentence that starts with the size; `write` formats sizes in it.
 */
import { formatBytes } from "./format.ts";
import { BANK_BYTES_MAX, KIB, MIB, PAGE_BYTES } from "./limits.ts";

/** Memory is a multiple of this, because WebAssembly memories grow in pages of 64 KiB. */
export const MEMORY_UNIT_BYTES = 64 * KIB;
export const MIN_PAGE_BYTES_DEFAULT = 64 * KIB;
const MIN_PAGE_BYTES_MAX = 2 * MIB;

type Write = (sizeBytes: number) => string;

/** The problem with the smallest page of local memory; undefined if there is none. */
export function minPageProblem(minPageBytes: number, write: Write = formatBytes): string | undefined {
  if (!(minPageBytes > 0 && Number.isInteger(Math.log2(minPageBytes)))) return "is not a power of two.";
  if (minPageBytes >= PAGE_BYTES && minPageBytes <= MIN_PAGE_BYTES_MAX) return undefined;
  return `is not from ${write(PAGE_BYTES)} to ${write(MIN_PAGE_BYTES_MAX)}.`;
}

/** The problem with the size of a region made of units; undefined if there is none. */
export function memorySizeProblem(
  sizeBytes: number,
  unitBytes: number,
  write: Write = formatBytes,
): string | undefined {
  if (!(sizeBytes > 0)) return "is no memory at all.";
  if (sizeBytes > BANK_BYTES_MAX) return `is more than the ${write(BANK_BYTES_MAX)} that a region can have.`;
  return sizeBytes % unitBytes === 0 ? undefined : `is not a multiple of ${write(unitBytes)}.`;
}
