/**
 * Objects and their bytes: the only places that bind a resource to an object or take it away, so that lists,
 * counters and versions always change together. The caller holds the object's lock.
 */
import assert from "node:assert/strict";
import { PURGED, RESIDENT, UNKNOWN } from "../backing-state.ts";
import { changeState } from "./lifecycle.ts";
import { LIST_PINNED, PRIORITY_CPU_ACCESS, PRIORITY_HAS_PAGES, PRIORITY_PURGE } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { FLAG, FLAG_BACKUP, NONE } from "./object-table.ts";
import type { SpaceRequest } from "./region.ts";
import type { Space } from "./space.ts";

/** An object's request for space in a region. */
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

/** A request for plain space, as evictions and backups need it in system memory. */
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

/** Whether an object must start with zeroes. Kernel objects may start with any bytes. */
export function needsClearing(memory: Memory, slot: number): boolean {
  return memory.table.has(slot, FLAG.USER | FLAG.CPU_CLEAR);
}

/** Binds `handle` in `region` to an object that has no resource. */
export function bindResource(memory: Memory, slot: number, { region, handle }: Space): void {
  const { table } = memory;
  assert(table.resource[slot] === NONE, "an object has one resource at a time");
  region.arriving--;
  memory.written.noteAll(slot);
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
 * Takes the resource from a resident object and frees the space. The object stays RESIDENT for a move that
 * binds the next resource at once; otherwise the caller sets its state.
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
  memory.written.noteAll(slot);
  region.release(handle);
  table.resource[slot] = NONE;
  table.region[slot] = NONE;
  memory.touch(slot);
}

/** Purges the content of an unpinned object for good (i915_ttm_purge). */
export function purge(memory: Memory, slot: number): void {
  if (memory.table.resource[slot] !== NONE) dropResource(memory, slot);
  memory.swap?.discard(slot);
  changeState(memory, slot, PURGED);
}

/**
 * Binds an unpinned object to `handle` in another place, where its bytes have been copied, and frees their
 * old space. It is a drop and a bind in one, because a suspend does it for every object.
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
  memory.written.noteAll(slot);
  from.release(left);
  to.arriving--;
  table.resource[slot] = handle;
  table.region[slot] = to.index;
  to.objectCount++;
  relist(memory, slot);
  memory.touch(slot);
}

/**
 * Gives up bytes that may be wrong. From now on every access reports it. Pins go too, because nothing is left
 * for them to hold in place.
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

/** Adds an object to the pinned bytes of its region, or removes it. */
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

/** Takes an object off its list for a mover. It keeps its resource. */
export function takeOffList(memory: Memory, slot: number): void {
  const region = memory.region(memory.table.region[slot]);
  region.lists.remove(slot);
  region.inHands++;
}

/** Undoes takeOffList. The object is first in line again. */
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
