/**
 * How large an image of a device could become: what a store is asked for before the first byte, and a plan
 * says.
 */

import { imageBytesMax } from "../../image/writer.ts";
import { WALK_SLICE_OBJECTS } from "../../limits.ts";
import { FLAG, FLAG_BACKUP, NONE } from "../../memory/object-table.ts";
import type { WorkingMemory } from "../working-memory.ts";

/** The most bytes that an image would take now. Legal at any time; a walk over every object, in slices. */
export async function imageBytesMaxOf({ memory, services }: WorkingMemory): Promise<number> {
  const { table } = memory;
  const amounts = { objects: 0, contentBytes: 0, extents: 0, labelLength: 0 };
  let owned = 0;
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if ((slot + 1) % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
    if (table.id[slot] === 0 || table.has(slot, FLAG_BACKUP)) continue;
    const handle = table.resource[slot];
    const isPinned = table.pinCount[slot] > 0;
    // What is pinned has a backup by then, which is an object too.
    amounts.objects += isPinned ? 2 : 1;
    amounts.labelLength += table.labels.get(slot).length;
    if (isPinned && handle !== NONE) {
      memory.region(table.region[slot]).forEachBlock(handle, () => {
        amounts.extents++;
      });
    }
    if (handle !== NONE || memory.swap?.has(slot) === true) amounts.contentBytes += table.sizeBytes[slot];
    if (table.has(slot, FLAG.KERNEL)) owned++;
  }
  // Each context has two objects of the device's own.
  return imageBytesMax({ ...amounts, contexts: Math.ceil(owned / 2) });
}
