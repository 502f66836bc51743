/**
 * Places for many objects at once: those that ask for the same, one behind the other, ask the allocator once.
 * What it answers is what it would have answered each of them.
 */
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";
import type { Region } from "./region.ts";
import { plainSpace, spaceRequestOf } from "./residency.ts";

/** Objects that are to be in a region. */
export interface Placing {
  readonly region: Region;
  readonly slots: readonly number[];
  /** Of the first of them, so many as have a place. */
  readonly handles: number[];
}

/**
 * Finds places in a region for the objects that have none yet, in their order, and appends their handles.
 * False when it came to one for which there is no room as things are.
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

/** How many objects, one behind the other from `from` on, ask the same of a region; 1 at the least. */
export function alikeFrom(
  memory: Memory,
  { region, slots }: Pick<Placing, "region" | "slots">,
  from: number,
): number {
  const { table, system } = memory;
  const first = slots[from];
  let end = from + 1;
  for (; end < slots.length && table.sizeBytes[slots[end]] === table.sizeBytes[first]; end++) {
    // System memory knows sizes only.
    if (region === system) continue;
    if (table.flags[slots[end]] !== table.flags[first]) break;
    if (table.alignmentLog2[slots[end]] !== table.alignmentLog2[first]) break;
  }
  return end - from;
}
