/**
 * The device's own objects: pinned in local memory for life, owned by nobody outside (`k1`, `k2`…). The hardware reads
 * its own state from them, which is why the order of suspend and resume matters.
 */
import assert from "node:assert/strict";
import type { MemoryBank } from "../hardware/bank.ts";
import { CONTEXT_IMAGE_BYTES } from "../hardware/context-image.ts";
import { FIRMWARE_BYTES, writeFirmware } from "../hardware/firmware.ts";
import { pageTableBytes, writePageTable } from "../hardware/page-table.ts";
import { MIGRATE_RING_BYTES } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { type Region, roundUp } from "../memory/region.ts";
import { bindResource, spaceRequestOf } from "../memory/residency.ts";

/** Where in the first local bank each of the device's own objects lies. */
export interface KernelObjects {
  readonly bank: MemoryBank;
  readonly firmwareOffsetBytes: number;
  readonly pageTableOffsetBytes: number;
  /** One for each copy engine. */
  readonly migrate: readonly { readonly imageOffsetBytes: number; readonly ringOffsetBytes: number }[];
}

/** Places, clears and fills them by CPU; part of boot, when nothing else is in local memory yet. */
export function createKernelObjects(memory: Memory, copyEngines: readonly string[]): KernelObjects {
  const local = memory.region(1);
  const { bank } = local;
  const microcode = memory.microcodes.within(bank.index);
  const place = (label: string, sizeBytes: number, flag: number): number =>
    placePinned(memory, local, label, sizeBytes, flag);
  const firmwareOffsetBytes = place("firmware image", FIRMWARE_BYTES, FLAG.PM_EARLY);
  writeFirmware(bank.words, firmwareOffsetBytes, microcode);
  const bankSizes = memory.regions.map((region) => region.bank.sizeBytes);
  const pageTableOffsetBytes = place("migrate page table", pageTableBytes(bankSizes), FLAG.PM_EARLY);
  writePageTable(bank.words, pageTableOffsetBytes, bankSizes, microcode);
  const migrate = copyEngines.map((engine) => ({
    imageOffsetBytes: place(`migrate context of ${engine}`, CONTEXT_IMAGE_BYTES, FLAG.PM_VOLATILE),
    ringOffsetBytes: place(`migrate ring of ${engine}`, MIGRATE_RING_BYTES, FLAG.PM_VOLATILE),
  }));
  const stolen = memory.regions.find((region) => region.kind === "STOLEN");
  if (stolen !== undefined) placePinned(memory, stolen, "stolen", stolen.sizeBytes, FLAG.PM_VOLATILE);
  return { bank, firmwareOffsetBytes, pageTableOffsetBytes, migrate };
}

/** Local memory below this cannot hold the device's own objects and anything else. */
export function kernelObjectBytes(
  bankSizes: readonly number[],
  copyEngines: number,
  pageBytes: number,
): number {
  const fixed = roundUp(FIRMWARE_BYTES, pageBytes) + roundUp(pageTableBytes(bankSizes), pageBytes);
  const each = roundUp(CONTEXT_IMAGE_BYTES, pageBytes) + roundUp(MIGRATE_RING_BYTES, pageBytes);
  return fixed + copyEngines * each;
}

/** Places one object for life and zeroes it. Answers its offset in the bank. */
function placePinned(memory: Memory, region: Region, label: string, sizeBytes: number, flag: number): number {
  const slot = memory.addObject({
    sizeBytes: roundUp(sizeBytes, region.minPageBytes),
    regions: [region.index],
    flags: FLAG.KERNEL | FLAG.CONTIGUOUS | FLAG.CPU_CLEAR | flag,
    alignmentBytes: 0,
    label,
  });
  assert(slot !== NONE, "the device has room for its own objects");
  const handle = region.allocate(spaceRequestOf(memory, slot));
  assert(handle !== NONE, "the region holds the device's own objects");
  memory.table.pinCount[slot] = 1;
  bindResource(memory, slot, region, handle);
  const { offsetBytes } = region.extents(handle)[0];
  memory.microcodes.within(region.bank.index).fill(offsetBytes, memory.table.sizeBytes[slot], 0);
  return offsetBytes;
}
