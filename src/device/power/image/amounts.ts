/**
 * The largest possible size of a device's image, which is asked of a store before the first byte, and which a
 * plan reports.
 */

import { imageBytesMax } from "../../image/writer.ts";
import { WALK_SLICE_OBJECTS } from "../../limits.ts";
import { FLAG, FLAG_BACKUP, NONE } from "../../memory/object-table.ts";
import type { WorkingMemory } from "../working-memory.ts";

/** The largest size that an image could have now. Legal at any time. Walks over every object, in slices. */
export async function imageBytesMaxOf({ memory, services }: WorkingMemory): Promise<number> {
  const { table } = memory;
  const amounts = { objects: 0, contentBytes: 0, extents: 0, labelLength: 0 };
  let owned = 0;
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if ((slot + 1) % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
    if (table.id[slot] === 0 || table.has(slot, FLAG_BACKUP)) continue;
    const handle = table.resource[slot];
    const isPinned = table.pinCount[slot] > 0;
    // Pinned objects will have backups by then, which are objects too.
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
  // Each context has two device-owned objects.
  return imageBytesMax({ ...amounts, contexts: Math.ceil(owned / 2) });
}
