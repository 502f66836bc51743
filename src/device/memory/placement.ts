/**
 * Finding room for an object: its first region without evicting, then with, then the others (drm ttm_bo_validate as
 * i915_ttm_get_pages calls it). The caller holds the object's lock.
 */
import { DeviceError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { clearChecked, copyChecked } from "./checked-copy.ts";
import { CopyList } from "./copier.ts";
import { collectVictims, evictVictims, systemMemoryExhausted } from "./evict.ts";
import type { Memory } from "./memory.ts";
import { FLAG, NONE } from "./object-table.ts";
import type { Region } from "./region.ts";
import { bindResource, dropResource, spaceRequestOf } from "./residency.ts";

/** Pauses while every candidate is in somebody else's hands: bounded, because two such callers could wait for ever. */
const BUSY_RETRIES_MAX = 100;
const BUSY_RETRY_MS = 5;

/** Gives an object that has no resource a place in one of its regions, zeroed where it must be. */
export async function populate(memory: Memory, slot: number): Promise<void> {
  let failure: DeviceError | undefined;
  for (const index of memory.placementOf(slot)) {
    const region = memory.region(index);
    const found = await findSpace(memory, slot, region);
    if (typeof found === "number") {
      await fillAndBind(memory, slot, region, found);
      return;
    }
    failure ??= found;
  }
  throw failure ?? new DeviceError("INTERNAL", `Object ${memory.idOf(slot)} has no regions.`);
}

/** Makes an object resident in `region`, wherever it is now. @throws DeviceError REGION_FULL and its siblings. */
export async function makeResident(memory: Memory, slot: number, region: Region): Promise<void> {
  const { table } = memory;
  if (table.region[slot] === region.index) return;
  const found = await findSpace(memory, slot, region);
  if (typeof found !== "number") throw found;
  if (table.resource[slot] === NONE) {
    await fillAndBind(memory, slot, region, found);
    return;
  }
  const list = new CopyList();
  list.addResource(
    memory.region(table.region[slot]),
    table.resource[slot],
    region,
    found,
    table.sizeBytes[slot],
  );
  try {
    await copyChecked(memory, list);
  } catch (error) {
    region.release(found);
    throw error;
  }
  dropResource(memory, slot);
  bindResource(memory, slot, region, found);
}

/** Space for an object in one region, evicting others from it if need be; or why there is none. */
async function findSpace(memory: Memory, slot: number, region: Region): Promise<number | DeviceError> {
  const request = spaceRequestOf(memory, slot);
  let busyRetries = 0;
  for (;;) {
    const handle = region.allocate(request);
    if (handle !== NONE) {
      memory.emit({ type: "allocated", region: region.id, objects: 1 });
      return handle;
    }
    const error = await makeRoom(memory, region, request.sizeBytes);
    if (error === undefined) continue;
    if (error === "busy" && busyRetries++ < BUSY_RETRIES_MAX) {
      await new Promise<void>((resolve) => memory.clock.startTimer(BUSY_RETRY_MS, resolve));
      continue;
    }
    const failure = error instanceof DeviceError ? error : regionFull(memory, slot, region);
    memory.emit({ type: "allocationFailed", region: region.id, reason: failure.reason });
    return failure;
  }
}

/** Evicts about `bytes` from a region. Undefined when something went: try again. */
async function makeRoom(
  memory: Memory,
  region: Region,
  bytes: number,
): Promise<DeviceError | "busy" | "full" | undefined> {
  if (region.kind !== "LOCAL")
    return region === memory.system ? systemMemoryExhausted(memory, "the object") : "full";
  const victims = collectVictims(memory, region, bytes);
  if (victims.slots.length === 0) return victims.someBusy ? "busy" : "full";
  const evicted = await evictVictims(memory, victims, "pressure");
  if (evicted.objects > 0) return undefined;
  return systemMemoryExhausted(
    memory,
    `the ${formatBytes(victims.bytes)} that would have to leave region ${region.id}`,
  );
}

async function fillAndBind(memory: Memory, slot: number, region: Region, handle: number): Promise<void> {
  if (memory.table.has(slot, FLAG.USER | FLAG.CPU_CLEAR)) {
    try {
      await clearChecked(memory, region.bank.index, region.extents(handle));
    } catch (error) {
      region.release(handle);
      throw error;
    }
  }
  bindResource(memory, slot, region, handle);
}

function regionFull(memory: Memory, slot: number, region: Region): DeviceError {
  const sizeBytes = memory.table.sizeBytes[slot];
  const largest = region.largestFreeBytes();
  const why =
    region.freeBytes < sizeBytes
      ? `is larger than the free space (${formatBytes(region.freeBytes)})`
      : `does not fit the free space, whose largest block is ${formatBytes(largest)},`;
  return new DeviceError(
    "REGION_FULL",
    `Size (${formatBytes(sizeBytes)}) of object ${memory.idOf(slot)} ${why} of region ${region.id}, and nothing there can be evicted.`,
    {
      region: region.id,
      sizeBytes: String(sizeBytes),
      availableBytes: String(region.freeBytes),
      largestFreeBytes: String(largest),
    },
  );
}
