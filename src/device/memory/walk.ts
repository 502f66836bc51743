/**
 * Walks over all of clients' objects that let other work run: a million of them take longer than anybody may
 * wait.
 */
import { VISIT_SLICE_OBJECTS } from "../limits.ts";
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";

/**
 * Calls `visit` for clients' objects by ascending id, from the first after `afterId` until it answers `true`:
 * then the answer is true. Objects made or deleted during the walk may or may not be met; all others are met
 * once. A slot is that of its object for as long as `visit` takes, and no longer.
 */
export async function visitClientSlots(
  memory: Memory,
  afterId: string,
  visit: (slot: number) => boolean,
): Promise<boolean> {
  const { table } = memory;
  let slot = memory.firstAfter(afterId);
  for (let met = 1; slot !== NONE; met++) {
    if (visit(slot)) return true;
    if (met % VISIT_SLICE_OBJECTS !== 0) {
      slot = table.orderNext[slot];
      continue;
    }
    const id = memory.idOf(slot);
    await memory.services.clock.yield();
    // It may be gone by now; then the walk goes on after where it stood.
    slot = memory.firstAfter(id);
  }
  return false;
}
