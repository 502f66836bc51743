/**
 * Places for many objects at once. Consecutive objects with the same requirements share one call of the
 * allocator, with the results that separate calls would have.
 */
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";
import type { Region } from "./region.ts";
import { plainSpace, spaceRequestOf } from "./residency.ts";

/** Objects that are to be in a region. */
export interface Placing {
  readonly region: Region;
  readonly slots: readonly number[];
  /** The places found so far, for the first objects. */
  readonly handles: number[];
}

/**
 * Finds places in a region for the remaining objects in order, and appends their handles. False if it reached
 * one for which there is no room now.
 */
export function placeTogether(memory: Memory, { region, slots, handles }: Placing): boolean {
  const { table, system } = memory;
  while (handles.length < slots.length) {
    const first = slots[handles.length];
    const count = alikeFrom(memory, { region, slots }, handles.length);
    const end = handles.length + count;
    const request = region === system ? plainSpace(table.sizeBytes[first]) : spaceRequestOf(memory, first);
    region.allocateMany(request, count, handles);
    while (handles.length < end) {
      const handle = region.allocate(request);
      if (handle === NONE) return false;
      handles.push(handle);
    }
  }
  return true;
}

/**
 * How many consecutive objects, starting with `from`, have the same requirements for a region; at least 1.
 */
export function alikeFrom(
  memory: Memory,
  { region, slots }: Pick<Placing, "region" | "slots">,
  from: number,
): number {
  const { table, system } = memory;
  const first = slots[from];
  let end = from + 1;
  for (; end < slots.length && table.sizeBytes[slots[end]] === table.sizeBytes[first]; end++) {
    // For system memory only the size counts.
    if (region === system) continue;
    if (table.flags[slots[end]] !== table.flags[first]) break;
    if (table.alignmentLog2[slots[end]] !== table.alignmentLog2[first]) break;
  }
  return end - from;
}
