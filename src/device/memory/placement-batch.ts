/**
 * Brings many objects to a region together, with one search for room, one job that clears and one that
 * copies, instead of one of each per object. It handles only these simple cases; `makeResident` handles the
 * others one by one.
 */

import { RESIDENT, UNPOPULATED } from "../backing-state.ts";
import type { Extent } from "../extent.ts";
import { MOVE_BATCH_BYTES, MOVE_BATCH_OBJECTS } from "../limits.ts";
import { clearChecked, copyChecked } from "./checked-copy.ts";
import { CopyList } from "./copier.ts";
import { collectVictims, evictVictims } from "./evict.ts";
import type { Memory } from "./memory.ts";
import { pipelined } from "./pipeline.ts";
import { addDirtyRanges } from "./placement.ts";
import { alikeFrom, type Placing, placeTogether } from "./places.ts";
import type { Region } from "./region.ts";
import { bindResource, moveResource, needsClearing, spaceRequestOf } from "./residency.ts";

/**
 * Makes unpinned objects resident in `region` with their bytes or zeroes, as many as there is room for. The
 * caller holds their locks.
 * @throws DeviceError if a copy failed. The objects of its batch then stay in place.
 */
export async function makeResidentTogether(
  memory: Memory,
  slots: readonly number[],
  region: Region,
): Promise<void> {
  const { table } = memory;
  const coming = slots.filter((slot) => {
    if (table.region[slot] === region.index || table.active[slot] > 0) return false;
    return table.state[slot] === UNPOPULATED || table.state[slot] === RESIDENT;
  });
  await pipelined(memory.services.clock, batchesOf(memory, coming), (batch) => bring(memory, batch, region));
}

/** The objects in batches, in their order. */
function* batchesOf(memory: Memory, slots: readonly number[]): Generator<readonly number[]> {
  const { table } = memory;
  let from = 0;
  let bytes = 0;
  for (let at = 0; at < slots.length; at++) {
    bytes += table.sizeBytes[slots[at]];
    const isLast = at + 1 === slots.length;
    if (at + 1 - from < MOVE_BATCH_OBJECTS && bytes < MOVE_BATCH_BYTES && !isLast) continue;
    yield slots.slice(from, at + 1);
    from = at + 1;
    bytes = 0;
  }
}

async function bring(memory: Memory, slots: readonly number[], region: Region): Promise<void> {
  const { table } = memory;
  const handles: number[] = [];
  try {
    const placing = { region, slots, handles };
    let placed = placeTogether(memory, placing);
    while (!placed && (await evictFor(memory, slots.slice(handles.length), region)))
      placed = placeTogether(memory, placing);
    await fill(memory, { region, slots: slots.slice(0, handles.length), handles });
  } catch (error) {
    for (const handle of handles) region.giveUp(handle);
    throw error;
  }
  if (handles.length === 0) return;
  for (let at = 0; at < handles.length; at++) {
    const space = { region, handle: handles[at] };
    if (table.state[slots[at]] === RESIDENT) moveResource(memory, slots[at], space);
    else bindResource(memory, slots[at], space);
  }
  memory.services.emit({ type: "allocated", region: region.id, objects: handles.length });
}

/**
 * Evicts other objects to make room for the first of these and the next ones with the same requirements.
 * Returns false if nothing left. There may be room even so.
 */
async function evictFor(memory: Memory, slots: readonly number[], region: Region): Promise<boolean> {
  const request = spaceRequestOf(memory, slots[0]);
  if (region === memory.system || !region.couldMakeRoom(request)) return false;
  const bytes = request.sizeBytes * alikeFrom(memory, { region, slots }, 0);
  const victims = collectVictims(memory, region, { bytesWanted: bytes, inWindow: request.visibleOnly });
  if (victims.slots.length === 0) return false;
  const evicted = await evictVictims(memory, victims, "pressure");
  return evicted.objects > 0 || evicted.purgedObjects > 0;
}

/** Puts the objects' bytes, or zeroes, in their new places. */
async function fill(memory: Memory, { region, slots, handles }: Placing): Promise<void> {
  const { table } = memory;
  const dirty: Extent[] = [];
  const list = new CopyList(slots.length);
  for (let at = 0; at < slots.length; at++) {
    const slot = slots[at];
    if (table.state[slot] === RESIDENT) {
      const from = memory.region(table.region[slot]);
      const space = { region, handle: handles[at] };
      list.addResource({ region: from, handle: table.resource[slot] }, space, table.sizeBytes[slot]);
    } else if (needsClearing(memory, slot)) {
      addDirtyRanges(dirty, region, handles[at]);
    }
  }
  if (dirty.length > 0) await clearChecked(memory, region.bank.index, dirty);
  if (list.count > 0) await copyChecked(memory, list);
}
