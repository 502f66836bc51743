/** Walks over all of clients' objects that let other work run: a million of them take longer than anybody may wait. */
import { WALK_SLICE_OBJECTS } from "../limits.ts";
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";

/**
 * Slots of clients' objects by ascending id, from the first after `afterId`. Objects made or deleted during the walk
 * may or may not be met; all others are met once.
 */
export async function* clientSlots(memory: Memory, afterId: string): AsyncGenerator<number> {
  const { table } = memory;
  let met = 0;
  let slot = memory.firstAfter(afterId);
  while (slot !== NONE) {
    const id = memory.idOf(slot);
    yield slot;
    if (++met % WALK_SLICE_OBJECTS === 0) await memory.clock.yield();
    // It may be gone by now; then the walk goes on after where it stood.
    slot = memory.findObject(id) === slot ? table.orderNext[slot] : memory.firstAfter(id);
  }
}
