/**
 * Eviction: unpinned objects leave a local region for system memory, least recently used first, in batches of one
 * copy job. The content goes along; the object's LMEM is freed when every byte has arrived (drm ttm_bo_evict).
 */
import { DeviceError } from "../errors.ts";
import type { EvictionCause } from "../events.ts";
import { formatBytes } from "../format.ts";
import { MOVE_BATCH_BYTES, MOVE_BATCH_OBJECTS } from "../limits.ts";
import { copyChecked } from "./checked-copy.ts";
import { CopyList } from "./copier.ts";
import { PRIORITIES } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { FLAG, NONE } from "./object-table.ts";
import type { Region } from "./region.ts";
import { bindResource, dropResource, putBackOnList, takeOffList } from "./residency.ts";
import { count, emptyTally, type Tally } from "./tally.ts";

/** Objects that a batch holds: locked, on no list, still resident. */
export interface Victims {
  readonly slots: readonly number[];
  readonly bytes: number;
  /** Whether an evictable object was passed over because somebody else holds its lock. */
  readonly someBusy: boolean;
}

/** Takes the first evictable objects of a region into the caller's hands: `bytesWanted` of them, a batch at most. */
export function collectVictims(memory: Memory, region: Region, bytesWanted: number): Victims {
  const { table, locks } = memory;
  const slots: number[] = [];
  let bytes = 0;
  let someBusy = false;
  const bytesMax = Math.min(bytesWanted, MOVE_BATCH_BYTES);
  for (let priority = 0; priority < PRIORITIES; priority++) {
    let slot = region.lists.head(priority);
    while (slot !== NONE && bytes < bytesMax && slots.length < MOVE_BATCH_OBJECTS) {
      const next = table.listNext[slot];
      if (locks.tryLock(slot)) {
        takeOffList(memory, slot);
        slots.push(slot);
        bytes += table.sizeBytes[slot];
      } else {
        someBusy = true;
      }
      slot = next;
    }
  }
  return { slots, bytes, someBusy };
}

/**
 * Moves victims to system memory and lets go of them. Those for which there is no room stay where they were, and
 * `exhausted` says so. @throws DeviceError when a copy failed: then all stay where they were.
 */
export async function evictVictims(
  memory: Memory,
  victims: Victims,
  cause: EvictionCause,
): Promise<Tally & { exhausted: boolean }> {
  const { table, system } = memory;
  const list = new CopyList();
  const handles: number[] = [];
  let fitting = 0;
  for (; fitting < victims.slots.length; fitting++) {
    const slot = victims.slots[fitting];
    const handle = system.allocate({
      sizeBytes: table.sizeBytes[slot],
      alignmentBytes: 0,
      contiguous: false,
      topDown: false,
    });
    if (handle === NONE) break;
    handles.push(handle);
    list.addResource(
      memory.region(table.region[slot]),
      table.resource[slot],
      system,
      handle,
      table.sizeBytes[slot],
    );
  }
  for (const slot of victims.slots.slice(fitting).reverse()) giveBack(memory, slot);
  const tally = { ...emptyTally(), exhausted: fitting < victims.slots.length };
  if (fitting === 0) return tally;
  const moving = victims.slots.slice(0, fitting);
  try {
    const path = await copyChecked(memory, list);
    count(tally, path, fitting, list.totalBytes);
  } catch (error) {
    for (const handle of handles) system.release(handle);
    for (const slot of moving.toReversed()) giveBack(memory, slot);
    throw error;
  }
  moving.forEach((slot, at) => {
    dropResource(memory, slot);
    bindResource(memory, slot, system, handles[at]);
    memory.locks.unlock(slot);
  });
  const path = tally.blitterBytes > 0 ? "blitter" : "memcpy";
  memory.emit({ type: "evicted", cause, path, objects: fitting, bytes: list.totalBytes });
  return tally;
}

function giveBack(memory: Memory, slot: number): void {
  putBackOnList(memory, slot);
  memory.locks.unlock(slot);
}

/** The error of an eviction or backup for which system memory has no room. */
export function systemMemoryExhausted(memory: Memory, what: string): DeviceError {
  const { system } = memory;
  return new DeviceError(
    "SYSTEM_MEMORY_EXHAUSTED",
    `System memory (${formatBytes(system.sizeBytes)}) has ${formatBytes(system.freeBytes)} free, which is not enough for ${what}.`,
    { region: system.id, availableBytes: String(system.freeBytes) },
  );
}

/** Whether an object may ever be a victim, for the answer to clients. */
export function isDeviceOwned(memory: Memory, slot: number): boolean {
  return memory.table.has(slot, FLAG.KERNEL);
}
