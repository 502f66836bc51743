/** Deletes all client objects, pinned ones too, as in a new device. */
import { DELETE_SLICE_OBJECTS } from "../limits.ts";
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";
import { removeLocked } from "./objects.ts";
import { notePinned } from "./residency.ts";

/** Deletes every object of clients. Legal when no command and no work is in progress. */
export async function deleteEverything(memory: Memory): Promise<void> {
  const { table } = memory;
  let deleted = 0;
  for (let slot = table.orderHead; slot !== NONE; slot = table.orderHead) {
    await memory.locks.lock(slot);
    if (table.pinCount[slot] > 0) {
      notePinned(memory, slot, -1);
      table.pinCount[slot] = 0;
    }
    removeLocked(memory, slot);
    memory.locks.unlock(slot);
    if (++deleted % DELETE_SLICE_OBJECTS === 0) await memory.services.clock.yield();
  }
}
