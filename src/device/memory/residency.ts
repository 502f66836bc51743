/**
 * An object and its bytes: the few places where a resource is tied to an object or taken from it, so that
 * lists, counters and versions always move together. The caller holds the object's lock.
 */
import assert from "node:assert/strict";
import { PURGED, RESIDENT, UNKNOWN } from "../backing-state.ts";
import { changeState } from "./lifecycle.ts";
import { LIST_PINNED, PRIORITY_CPU_ACCESS, PRIORITY_HAS_PAGES, PRIORITY_PURGE } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { FLAG, FLAG_BACKUP, NONE } from "./object-table.ts";
import type { SpaceRequest } from "./region.ts";
import type { Space } from "./space.ts";

/** What an object asks of a region. */
export function spaceRequestOf(memory: Memory, slot: number): SpaceRequest {
  const { table } = memory;
  const log2 = table.alignmentLog2[slot];
  const cpuAccess = table.has(slot, FLAG.CPU_ACCESS | FLAG.PM_EARLY | FLAG.KERNEL);
  return {
    sizeBytes: table.sizeBytes[slot],
    alignmentBytes: log2 === 0 ? 0 : 2 ** log2,
    contiguous: table.has(slot, FLAG.CONTIGUOUS),
    topDown: !cpuAccess,
    visibleOnly: cpuAccess,
    preferCleared: needsClearing(memory, slot),
  };
}

/** A request for plain space: what evictions and backups take in system memory. */
export function plainSpace(sizeBytes: number): SpaceRequest {
  return {
    sizeBytes,
    alignmentBytes: 0,
    contiguous: false,
    topDown: false,
    visibleOnly: false,
    preferCleared: false,
  };
}

/** Whether an object must start from zeroes; kernel objects start from whatever is there. */
export function needsClearing(memory: Memory, slot: number): boolean {
  return memory.table.has(slot, FLAG.USER | FLAG.CPU_CLEAR);
}

/** Ties `handle` in `region` to an object that has no resource. */
export function bindResource(memory: Memory, slot: number, { region, handle }: Space): void {
  const { table } = memory;
  assert(table.resource[slot] === NONE, "an object has one resource at a time");
  region.arriving--;
  table.resource[slot] = handle;
  table.region[slot] = region.index;
  if (table.state[slot] !== RESIDENT) changeState(memory, slot, RESIDENT);
  region.objectCount++;
  if (table.has(slot, FLAG_BACKUP)) region.backupBytes += table.sizeBytes[slot];
  if (table.pinCount[slot] > 0) notePinned(memory, slot, 1);
  relist(memory, slot);
  memory.touch(slot);
}

/**
 * Takes the resource from a resident object and frees the space. The object's state is the caller's next
 * word: it stays RESIDENT here, for a move that binds the next resource at once.
 */
export function dropResource(memory: Memory, slot: number): void {
  const { table } = memory;
  const handle = table.resource[slot];
  assert(handle !== NONE, "only a resource that exists is dropped");
  const region = memory.region(table.region[slot]);
  if (table.list[slot] !== NONE) region.lists.remove(slot);
  else region.inHands--;
  if (table.pinCount[slot] > 0) notePinned(memory, slot, -1);
  if (table.has(slot, FLAG_BACKUP)) region.backupBytes -= table.sizeBytes[slot];
  region.objectCount--;
  region.release(handle);
  table.resource[slot] = NONE;
  table.region[slot] = NONE;
  memory.touch(slot);
}

/** Throws the content of an unpinned object away for good (i915_ttm_purge). */
export function purge(memory: Memory, slot: number): void {
  if (memory.table.resource[slot] !== NONE) dropResource(memory, slot);
  memory.swap?.discard(slot);
  changeState(memory, slot, PURGED);
}

/**
 * Ties an unpinned object to `handle` in another region or place, where its bytes have been copied to, and
 * frees the space that they were in: a drop and a bind in one, because a suspend does it with everything
 * there is.
 */
export function moveResource(memory: Memory, slot: number, { region: to, handle }: Space): void {
  const { table } = memory;
  const from = memory.region(table.region[slot]);
  const left = table.resource[slot];
  assert(left !== NONE && table.state[slot] === RESIDENT, "only bytes that exist are moved");
  assert(table.pinCount[slot] === 0 && !table.has(slot, FLAG_BACKUP), "pinned objects and backups stay");
  if (table.list[slot] !== NONE) from.lists.remove(slot);
  else from.inHands--;
  from.objectCount--;
  from.release(left);
  to.arriving--;
  table.resource[slot] = handle;
  table.region[slot] = to.index;
  to.objectCount++;
  relist(memory, slot);
  memory.touch(slot);
}

/**
 * Gives up bytes that cannot be vouched for: from now on every access says so. Pins go too, because there is
 * nothing left that they could hold in place.
 */
export function loseContent(memory: Memory, slot: number): void {
  const { table } = memory;
  if (table.pinCount[slot] > 0) {
    notePinned(memory, slot, -1);
    table.pinCount[slot] = 0;
    relist(memory, slot);
  }
  if (table.resource[slot] !== NONE) dropResource(memory, slot);
  memory.swap?.discard(slot);
  changeState(memory, slot, UNKNOWN);
  memory.services.emit({ type: "contentLost", object: memory.idOf(slot), bytes: table.sizeBytes[slot] });
}

/** Counts an object in or out of what is pinned in its region. */
export function notePinned(memory: Memory, slot: number, sign: 1 | -1): void {
  const region = memory.region(memory.table.region[slot]);
  region.pinnedBytes += sign * memory.table.sizeBytes[slot];
  region.pinnedObjectCount += sign;
}

/** Puts a resident object on the list where it belongs, at the most recently used end. */
export function relist(memory: Memory, slot: number): void {
  const { table } = memory;
  const { lists } = memory.region(table.region[slot]);
  if (table.list[slot] !== NONE) lists.remove(slot);
  lists.append(slot, listOf(memory, slot));
}

/** Takes an object into the hands of a mover: it keeps its resource but is on no list. */
export function takeOffList(memory: Memory, slot: number): void {
  const region = memory.region(memory.table.region[slot]);
  region.lists.remove(slot);
  region.inHands++;
}

/** Undoes takeOffList: the object is first in line again. */
export function putBackOnList(memory: Memory, slot: number): void {
  const region = memory.region(memory.table.region[slot]);
  region.lists.prepend(slot, listOf(memory, slot));
  region.inHands--;
}

/** drm/i915 i915_ttm_adjust_lru. */
function listOf(memory: Memory, slot: number): number {
  const { table } = memory;
  if (table.pinCount[slot] > 0) return LIST_PINNED;
  if (table.dontNeed[slot] === 1 || table.has(slot, FLAG.VOLATILE)) return PRIORITY_PURGE;
  const inWindow = table.has(slot, FLAG.CPU_ACCESS) && memory.region(table.region[slot]).hasSmallWindow;
  return inWindow ? PRIORITY_CPU_ACCESS : PRIORITY_HAS_PAGES;
}

/** Whether the object may be moved away now. Stable only while it is locked. */
export function isEvictable(memory: Memory, slot: number): boolean {
  const { table } = memory;
  return table.resource[slot] !== NONE && table.pinCount[slot] === 0 && table.active[slot] === 0;
}
