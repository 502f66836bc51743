/**
 * Places for many objects at once: those that ask for the same, one behind the other, ask the allocator once. What it
 * answers is what it would have answered each of them.
 */
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";
import type { Region } from "./region.ts";
import { plainSpace, spaceRequestOf } from "./residency.ts";

/**
 * Finds places in a region for the objects that have none yet, in their order, and appends the handles to `handles`, which
 * has those of the first. False when it came to one for which there is no room as things are.
 */
export function placeTogether(
  memory: Memory,
  region: Region,
  slots: readonly number[],
  handles: number[],
): boolean {
  const { table, system } = memory;
  const plain = region === system;
  while (handles.length < slots.length) {
    const first = slots[handles.length];
    const sizeBytes = table.sizeBytes[first];
    let end = handles.length + 1;
    while (end < slots.length && table.sizeBytes[slots[end]] === sizeBytes) {
      if (!plain && !asksAlike(memory, first, slots[end])) break;
      end++;
    }
    const request = plain ? plainSpace(sizeBytes) : spaceRequestOf(memory, first);
    region.allocateMany(request, end - handles.length, handles);
    while (handles.length < end) {
      const handle = region.allocate(request);
      if (handle === NONE) return false;
      handles.push(handle);
    }
  }
  return true;
}

/** Whether two objects of one size ask the same of a local region. */
function asksAlike({ table }: Memory, one: number, other: number): boolean {
  return table.flags[one] === table.flags[other] && table.alignmentLog2[one] === table.alignmentLog2[other];
}
