/**
 * Walks over all of clients' objects and lets other work run, because a million objects take longer than
 * others may wait.
 */
import { VISIT_SLICE_OBJECTS } from "../limits.ts";
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";

/**
 * Calls `visit` for clients' objects in ascending order of id, after `afterId`, until it returns `true`,
 * which is then the result. It may or may not visit objects that are made or deleted meanwhile, and visits
 * all others once. A slot belongs to its object only during `visit`.
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
    // It may be gone by now. Then the walk continues after its id.
    slot = memory.firstAfter(id);
  }
  return false;
}
