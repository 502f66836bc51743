/**
 * CPU access to content: reads, writes and checksums of an object's bytes wherever they are. The first access
 * gives an object its place; later ones leave it where it is.
 */

import assert from "node:assert/strict";
import type { ReadObject, WriteObject } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { Extent } from "../extent.ts";
import { crc32cOf } from "../hardware/crc32c.ts";
import { CONTENT_CHUNK_BYTES_MAX, CPU_SLICE_BYTES } from "../limits.ts";
import { WorkSlices } from "../work-slices.ts";
import { requireUsable } from "./lifecycle.ts";
import type { Memory } from "./memory.ts";
import { runsOf } from "./object-runs.ts";
import { FLAG, NONE } from "./object-table.ts";
import { makeVisible, populate } from "./placement.ts";
import type { Usage } from "./reservations.ts";
import { loseContent, relist } from "./residency.ts";
import { SWAP_PAGE_BYTES } from "./swap.ts";

/** Reads one chunk; the answer is a copy. @throws DeviceError OBJECT_NOT_FOUND, INVALID_RANGE, or no room. */
export async function readContent(
  memory: Memory,
  { object, offsetBytes, lengthBytes, into }: Omit<ReadObject, "type">,
): Promise<Uint8Array> {
  assert(into === undefined || into.length === lengthBytes, "a chunk is read into memory of its length");
  return withContent(memory, { id: object, usage: "read" }, (slot) => {
    checkRange(memory, slot, { offsetBytes, lengthBytes });
    checkChunk(lengthBytes);
    return (): Uint8Array => {
      const result = into ?? new Uint8Array(lengthBytes);
      for (const { bytes, at } of viewsOf(memory, slot, { offsetBytes, lengthBytes })) result.set(bytes, at);
      memory.cpuBytes.read(memory.table.region[slot], lengthBytes);
      return result;
    };
  });
}

/**
 * Writes one chunk. `declaredBytes` is the length of the whole stream from this offset on. A length that does
 * not fit is refused before the first byte.
 * @throws DeviceError like readContent.
 */
export async function writeContent(
  memory: Memory,
  { object, offsetBytes, data, declaredBytes = data.length }: Omit<WriteObject, "type">,
): Promise<number> {
  return withContent(memory, { id: object, usage: "write" }, (slot) => {
    checkRange(memory, slot, { offsetBytes, lengthBytes: declaredBytes });
    checkRange(memory, slot, { offsetBytes, lengthBytes: data.length });
    checkChunk(data.length);
    return (): number => {
      memory.written.note(slot, offsetBytes, data.length);
      for (const { bytes, at } of viewsOf(memory, slot, { offsetBytes, lengthBytes: data.length })) {
        bytes.set(data.subarray(at, at + bytes.length));
      }
      memory.cpuBytes.write(memory.table.region[slot], data.length);
      return data.length;
    };
  });
}

export interface Checksums {
  readonly crc32c: number;
  readonly sha256Hex: string;
  readonly sizeBytes: number;
}

/** CRC-32C and SHA-256 of the whole content. */
export async function checksumContent(memory: Memory, id: string): Promise<Checksums> {
  return withContent(memory, { id, usage: "read" }, (slot) => async () => {
    const sha256 = memory.services.sha256();
    const slices = new WorkSlices(memory.services.clock);
    const visit = (bytes: Uint8Array): void => sha256.update(bytes);
    const crc = await crcOfObject(memory, slot, { slices, visit });
    return { crc32c: crc, sha256Hex: sha256.digestHex(), sizeBytes: memory.table.sizeBytes[slot] };
  });
}

/**
 * CRC-32C of a resident object, piece by piece; `visit` sees each. The caller keeps the object in place, and
 * uses one `slices` for all its objects, because an object of 4 KiB takes less time than a pause does.
 */
export async function crcOfObject(
  memory: Memory,
  slot: number,
  { slices, visit }: { readonly slices: WorkSlices; readonly visit?: (bytes: Uint8Array) => void },
): Promise<number> {
  const { bank } = memory.region(memory.table.region[slot]);
  const microcode = memory.microcodes.within(bank.index);
  let crc = 0;
  for (const { offsetBytes, lengthBytes } of piecesOf(memory, slot)) {
    crc = microcode.crc32c(offsetBytes, lengthBytes, crc);
    memory.cpuBytes.read(bank.index, lengthBytes);
    visit?.(bank.bytes.subarray(offsetBytes, offsetBytes + lengthBytes));
    if (slices.spend(lengthBytes)) await slices.rest();
  }
  return crc;
}

/**
 * CRC-32C of an object that is swapped out, read page by page and left there.
 * @throws DeviceError CHECKSUM_MISMATCH if swap has damaged it; the errors of the store.
 */
export async function crcOfSwapped(memory: Memory, slot: number): Promise<number> {
  const sizeBytes = memory.table.sizeBytes[slot];
  await memory.services.failpoints.pass("swap.read");
  const page = new Uint8Array(Math.min(SWAP_PAGE_BYTES, sizeBytes));
  let crc = 0;
  for (let at = 0, index = 0; at < sizeBytes; at += SWAP_PAGE_BYTES, index++) {
    const bytes = page.subarray(0, sizeBytes - at);
    await memory.swap?.readPage(slot, index, { runs: [bytes], crc32c: () => crc32cOf(bytes) });
    crc = crc32cOf(bytes, crc);
  }
  return crc;
}

/**
 * Waits for work on the object, locks, lets `check` refuse, populates if need be, and does the work that
 * `check` returned.
 */
async function withContent<T>(
  memory: Memory,
  { id, usage }: { readonly id: string; readonly usage: Usage },
  check: (slot: number) => () => T | Promise<T>,
): Promise<T> {
  const slot = await memory.lockIdle(id, usage);
  try {
    if (memory.table.has(slot, FLAG.KERNEL)) throw ownedByDevice(id);
    const work = check(slot);
    requireUsable(memory, slot);
    if (memory.table.resource[slot] === NONE) await populate(memory, slot, "cpu");
    else relist(memory, slot);
    await makeVisible(memory, slot);
    if (usage === "read") findMemoryError(memory, slot);
    return await work();
  } finally {
    memory.locks.unlock(slot);
  }
}

/**
 * A read may find the device's memory broken (failpoint ecc.error).
 * @throws DeviceError CONTENT_UNKNOWN.
 */
function findMemoryError(memory: Memory, slot: number): void {
  const isLocal = memory.region(memory.table.region[slot]).kind === "LOCAL";
  // Bytes that an engine is reading stay, because they cannot be taken from it.
  if (!isLocal || memory.reservations.isActive(slot) || !memory.services.failpoints.fires("ecc.error"))
    return;
  loseContent(memory, slot);
  requireUsable(memory, slot);
}

/** The error for a client that tries to change or read an object of the device's own. */
export function ownedByDevice(id: string): DeviceError {
  return new DeviceError(
    "INVALID_REQUEST",
    `Object ${id} belongs to the device: clients can look at it, but not read, write, pin, move or ` +
      `delete it.`,
    { object: id },
  );
}

function checkRange(memory: Memory, slot: number, { offsetBytes, lengthBytes }: Extent): void {
  const sizeBytes = memory.table.sizeBytes[slot];
  const valid = Number.isSafeInteger(offsetBytes) && Number.isSafeInteger(lengthBytes);
  if (valid && offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= sizeBytes) return;
  const id = memory.idOf(slot);
  throw new DeviceError(
    "INVALID_RANGE",
    `Range of ${lengthBytes} bytes from offset ${offsetBytes} does not lie in object ${id}, whose ` +
      `size is ${sizeBytes} bytes.`,
    {
      object: id,
      offsetBytes: String(offsetBytes),
      lengthBytes: String(lengthBytes),
      sizeBytes: String(sizeBytes),
    },
  );
}

function checkChunk(lengthBytes: number): void {
  if (lengthBytes <= CONTENT_CHUNK_BYTES_MAX) return;
  throw new DeviceError(
    "INVALID_RANGE",
    `A chunk of ${lengthBytes} bytes is larger than the most that one command carries ` +
      `(${CONTENT_CHUNK_BYTES_MAX} bytes).`,
    { lengthBytes: String(lengthBytes), limit: String(CONTENT_CHUNK_BYTES_MAX) },
  );
}

/** The object's bytes in a range, as views of the bank. */
function viewsOf(memory: Memory, slot: number, range: Extent): { bytes: Uint8Array; at: number }[] {
  const region = memory.region(memory.table.region[slot]);
  return runsOf(region, memory.table.resource[slot], range).map((run) => ({
    bytes: region.bank.bytes.subarray(run.bankOffsetBytes, run.bankOffsetBytes + run.lengthBytes),
    at: run.at,
  }));
}

/** The object's bytes in slices short enough for the event loop. */
function* piecesOf(memory: Memory, slot: number): Generator<Extent> {
  const region = memory.region(memory.table.region[slot]);
  let left = memory.table.sizeBytes[slot];
  for (const extent of region.extents(memory.table.resource[slot])) {
    for (let done = 0; done < extent.lengthBytes && left > 0; ) {
      const lengthBytes = Math.min(CPU_SLICE_BYTES, extent.lengthBytes - done, left);
      yield { offsetBytes: extent.offsetBytes + done, lengthBytes };
      done += lengthBytes;
      left -= lengthBytes;
    }
  }
}
