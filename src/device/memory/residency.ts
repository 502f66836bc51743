/**
 * An object and its bytes: the few places where a resource is tied to an object or taken from it, so that lists,
 * counters and versions always move together. The caller holds the object's lock.
 */
import assert from "node:assert/strict";
import { LIST_PINNED, PRIORITY_HAS_PAGES } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { FLAG, NONE, RESIDENT, UNPOPULATED } from "./object-table.ts";
import type { Region, SpaceRequest } from "./region.ts";

/** What an object asks of a region. */
export function spaceRequestOf(memory: Memory, slot: number): SpaceRequest {
  const { table } = memory;
  const log2 = table.alignmentLog2[slot];
  return {
    sizeBytes: table.sizeBytes[slot],
    alignmentBytes: log2 === 0 ? 0 : 2 ** log2,
    contiguous: table.has(slot, FLAG.CONTIGUOUS),
    topDown: table.has(slot, FLAG.GPU_ONLY),
  };
}

/** Ties `handle` in `region` to an object that has no resource. */
export function bindResource(memory: Memory, slot: number, region: Region, handle: number): void {
  const { table } = memory;
  assert(table.resource[slot] === NONE, "an object has one resource at a time");
  table.resource[slot] = handle;
  table.region[slot] = region.index;
  table.state[slot] = RESIDENT;
  region.objectCount++;
  if (table.pinCount[slot] > 0) region.pinnedBytes += table.sizeBytes[slot];
  relist(memory, slot);
  memory.touch(slot);
}

/** Takes the resource from an object, whose content is no longer wanted there, and frees the space. */
export function dropResource(memory: Memory, slot: number): void {
  const { table } = memory;
  const handle = table.resource[slot];
  assert(handle !== NONE, "only a resource that exists is dropped");
  const region = memory.region(table.region[slot]);
  if (table.list[slot] !== NONE) region.lists.remove(slot);
  if (table.pinCount[slot] > 0) region.pinnedBytes -= table.sizeBytes[slot];
  region.objectCount--;
  region.release(handle);
  table.resource[slot] = NONE;
  table.region[slot] = NONE;
  table.state[slot] = UNPOPULATED;
  memory.touch(slot);
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
  memory.region(memory.table.region[slot]).lists.remove(slot);
}

/** Undoes takeOffList: the object is first in line again. */
export function putBackOnList(memory: Memory, slot: number): void {
  memory.region(memory.table.region[slot]).lists.prepend(slot, listOf(memory, slot));
}

function listOf(memory: Memory, slot: number): number {
  return memory.table.pinCount[slot] > 0 ? LIST_PINNED : PRIORITY_HAS_PAGES;
}

/** Whether the object may be moved away now. Stable only while it is locked. */
export function isEvictable(memory: Memory, slot: number): boolean {
  return memory.table.resource[slot] !== NONE && memory.table.pinCount[slot] === 0;
}
