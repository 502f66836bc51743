/**
 * The device's own objects (`k1`, `k2`…): pinned in local memory for life, and not owned by any client. The
 * hardware reads its own state from them, which is why the order of suspend and resume matters.
 */
import assert from "node:assert/strict";
import type { MemoryBank } from "../hardware/bank.ts";
import { CONTEXT_IMAGE_BYTES } from "../hardware/context-image.ts";
import { FIRMWARE_BYTES, writeFirmware } from "../hardware/firmware.ts";
import { pageTableBytes, writePageTable } from "../hardware/page-table.ts";
import { KERNEL_RING_BYTES, MIGRATE_RING_BYTES } from "../limits.ts";
import { machineExhausted } from "../memory/evict.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { type Region, roundUp } from "../memory/region.ts";
import { bindResource, spaceRequestOf } from "../memory/residency.ts";
import type { ContextPlace } from "./ring-context.ts";

/** The place of each of the device's own objects in the first local bank. */
export interface KernelObjects {
  readonly bank: MemoryBank;
  readonly firmwareOffsetBytes: number;
  readonly pageTableOffsetBytes: number;
  /** The kernel context of each engine, and the migrate context of each copy engine. */
  readonly contexts: readonly EngineContexts[];
}

export interface EngineContexts {
  readonly kernel: ContextPlace;
  readonly migrate: ContextPlace | undefined;
}

/** Whether an engine copies, and so has a migrate context. */
export function isCopyEngine(name: string): boolean {
  return name.startsWith("bcs");
}

/** Places and clears them by CPU during boot, while local memory is otherwise empty. */
export function createKernelObjects(memory: Memory, engines: readonly string[]): KernelObjects {
  const local = memory.region(1);
  const { bank } = local;
  const microcode = memory.microcodes.within(bank.index);
  const place = (label: string, sizeBytes: number, flag: number): number =>
    placePinned(memory, local, { label, sizeBytes, flag });
  const placeContext = (label: string, ringBytes: number): ContextPlace => ({
    bank: bank.index,
    words: bank.words,
    microcode,
    imageOffsetBytes: place(`${label} image`, CONTEXT_IMAGE_BYTES, FLAG.PM_VOLATILE),
    ringOffsetBytes: place(`${label} ring`, ringBytes, FLAG.PM_VOLATILE),
  });

  const firmwareOffsetBytes = place("firmware image", FIRMWARE_BYTES, FLAG.PM_EARLY);
  const pageTableOffsetBytes = place("migrate page table", pageTableBytes(bankSizes(memory)), FLAG.PM_EARLY);
  const contexts = engines.map((engine) => ({
    kernel: placeContext(`${engine} kernel context`, KERNEL_RING_BYTES),
    migrate: isCopyEngine(engine) ? placeContext(`${engine} migrate context`, MIGRATE_RING_BYTES) : undefined,
  }));
  const stolen = memory.regions.find((region) => region.kind === "STOLEN");
  if (stolen !== undefined)
    placePinned(memory, stolen, {
      label: "stolen",
      sizeBytes: stolen.sizeBytes,
      flag: FLAG.PM_VOLATILE,
    });
  const objects = { bank, firmwareOffsetBytes, pageTableOffsetBytes, contexts };
  writeKernelObjects(memory, objects);
  return objects;
}

/** Writes firmware and page table as at boot. A factory reset does this after a power loss. */
export function writeKernelObjects(memory: Memory, objects: KernelObjects): void {
  const { bank, firmwareOffsetBytes, pageTableOffsetBytes } = objects;
  const microcode = memory.microcodes.within(bank.index);
  writeFirmware(bank.words, firmwareOffsetBytes, microcode);
  const place = { words: bank.words, offsetBytes: pageTableOffsetBytes, microcode };
  writePageTable(place, bankSizes(memory));
}

/** Local memory smaller than twice this cannot hold the device's own objects and anything else. */
export function kernelObjectBytes(
  banks: readonly number[],
  engines: readonly string[],
  pageBytes: number,
): number {
  const sizes = [FIRMWARE_BYTES, pageTableBytes(banks)];
  for (const engine of engines) {
    sizes.push(CONTEXT_IMAGE_BYTES, KERNEL_RING_BYTES);
    if (isCopyEngine(engine)) sizes.push(CONTEXT_IMAGE_BYTES, MIGRATE_RING_BYTES);
  }
  return sizes.reduce((sum, size) => sum + roundUp(size, pageBytes), 0);
}

function bankSizes(memory: Memory): number[] {
  return memory.regions.map((region) => region.bank.sizeBytes);
}

/** Places one zeroed object for life. Returns its offset in the bank. */
function placePinned(
  memory: Memory,
  region: Region,
  { label, sizeBytes, flag }: { readonly label: string; readonly sizeBytes: number; readonly flag: number },
): number {
  const slot = memory.addObject({
    sizeBytes: roundUp(sizeBytes, region.minPageBytes),
    regions: [region.index],
    flags: FLAG.KERNEL | FLAG.CONTIGUOUS | FLAG.CPU_CLEAR | flag,
    alignmentBytes: 0,
    label,
  });
  assert(slot !== NONE, "the device has room for its own objects");
  const handle = region.allocate(spaceRequestOf(memory, slot));
  if (region.shortOfMachine) throw machineExhausted(memory, `the device's own ${label}`);
  assert(handle !== NONE, "the region holds the device's own objects");
  memory.table.pinCount[slot] = 1;
  bindResource(memory, slot, { region, handle });
  const microcode = memory.microcodes.within(region.bank.index);
  // Leaves memory alone that is already zero, because the first touch is what costs.
  region.forEachBlock(handle, (offsetBytes, lengthBytes, cleared) => {
    if (!cleared) microcode.fill(offsetBytes, lengthBytes, 0);
  });
  return region.startBytes(handle);
}
