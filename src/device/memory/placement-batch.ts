/**
 * Bringing many objects to a region together: one look for room, one job that clears, one that copies,
 * instead of one of each for every object. It does what needs nothing more than that; the rest is for
 * `makeResident`, one by one.
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
 * Makes unpinned objects resident in `region`, as many as there is room for, with their bytes or zeroes in
 * them. The caller holds their locks. @throws DeviceError when a copy failed: those of its batch are then
 * where they were.
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

/** Objects by batches of moves, in their order. */
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
 * Evicts others to make room for the first of these and those behind it that ask the same. False when nothing
 * left: there may be room all the same, but not by this.
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

/** Puts the bytes of objects, or zeroes, to their new places. */
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
