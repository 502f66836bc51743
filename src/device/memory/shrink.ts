/**
 * The shrinker: makes room in system memory when its cap is reached (i915_ttm_shrink). Purgeable objects go
 * first. The others are swapped out, least recently used first, if there is swap and the phase allows it.
 */

import { SWAPPED, UNPOPULATED } from "../backing-state.ts";
import { toDeviceError } from "../errors.ts";
import { changeState } from "./lifecycle.ts";
import { PRIORITIES, PRIORITY_PURGE } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { swapPagesOf } from "./object-runs.ts";
import { FLAG, FLAG_BACKUP, NONE } from "./object-table.ts";
import type { InUse } from "./patience.ts";
import { roundUp } from "./region.ts";
import { dropResource, purge, putBackOnList, takeOffList } from "./residency.ts";
import { SWAP_PAGE_BYTES } from "./swap.ts";

/** Frees about `bytes` of system memory. Returns how many it freed; 0 means that nothing can leave. */
export async function shrinkSystemMemory(memory: Memory, bytes: number): Promise<number> {
  const { locks, table } = memory;
  let freed = 0;
  for (let priority = 0; priority < PRIORITIES; priority++) {
    // Purgeable objects are first in line. Without room in swap there is no need to look at a million others.
    if (priority > PRIORITY_PURGE && !swapHasRoom(memory)) break;
    while (freed < bytes) {
      const slot = nextVictim(memory, priority);
      if (slot === NONE) break;
      takeOffList(memory, slot);
      const gone = await shrink(memory, slot);
      if (gone) freed += table.sizeBytes[slot];
      else putBackOnList(memory, slot);
      locks.unlock(slot);
      if (!gone) break;
    }
  }
  return freed;
}

/** Whether the smallest object could be swapped out. */
function swapHasRoom({ swap }: Memory): boolean {
  return swap?.allowed === true && swap.freeBytes >= SWAP_PAGE_BYTES;
}

/**
 * Why evictable objects of system memory stay: commands hold them, or running work uses them. Undefined if
 * there are none.
 */
export function useOfSystem(memory: Memory): InUse | undefined {
  const { table, system } = memory;
  let use: InUse | undefined;
  for (let priority = 0; priority < PRIORITIES; priority++) {
    if (priority > PRIORITY_PURGE && !swapHasRoom(memory)) break;
    for (let slot = system.lists.head(priority); slot !== NONE; slot = table.listNext[slot]) {
      if (!isExpendable(memory, slot)) continue;
      if (table.active[slot] > 0) return "active";
      if (table.locked[slot] !== 0) use = "busy";
    }
  }
  return use;
}

/** The least recently used object of a priority that can leave and that nobody holds. Locks it. */
function nextVictim(memory: Memory, priority: number): number {
  const { table, locks, system } = memory;
  let slot = system.lists.head(priority);
  while (slot !== NONE && !(canGo(memory, slot) && locks.tryLock(slot))) slot = table.listNext[slot];
  return slot;
}

/**
 * Whether an object is purgeable, or swap has room for it. Contexts stay, because they are needed soon, also
 * to make room. Backups may leave like every object that nobody holds.
 */
function canGo(memory: Memory, slot: number): boolean {
  return memory.table.active[slot] === 0 && isExpendable(memory, slot);
}

/** The same, if no work uses the object. */
function isExpendable(memory: Memory, slot: number): boolean {
  const { table, swap } = memory;
  if (table.has(slot, FLAG.KERNEL) && !table.has(slot, FLAG_BACKUP)) return false;
  if (table.dontNeed[slot] === 1 || table.has(slot, FLAG.VOLATILE)) return true;
  return swap?.allowed === true && roundUp(table.sizeBytes[slot], SWAP_PAGE_BYTES) <= swap.freeBytes;
}

/** Purges one object or swaps it out. False if it has to stay. */
async function shrink(memory: Memory, slot: number): Promise<boolean> {
  const { table, swap, system } = memory;
  if (table.dontNeed[slot] === 1) {
    purge(memory, slot);
    memory.services.emit({ type: "purged", objects: 1, bytes: table.sizeBytes[slot] });
    return true;
  }
  if (table.has(slot, FLAG.VOLATILE)) {
    dropResource(memory, slot);
    changeState(memory, slot, UNPOPULATED);
    memory.services.emit({ type: "purged", objects: 1, bytes: table.sizeBytes[slot] });
    return true;
  }
  if (swap?.allowed !== true) return false;
  const sizeBytes = table.sizeBytes[slot];
  try {
    await memory.services.failpoints.pass("swap.write");
    const pages = swapPagesOf(memory, { region: system, handle: table.resource[slot] }, sizeBytes);
    if (!(await swap.write(slot, sizeBytes, pages))) return false;
  } catch (error) {
    memory.services.emit({ type: "swapFailed", reason: toDeviceError(error).message });
    return false;
  }
  dropResource(memory, slot);
  changeState(memory, slot, SWAPPED);
  memory.services.emit({ type: "swappedOut", objects: 1, bytes: sizeBytes });
  return true;
}
