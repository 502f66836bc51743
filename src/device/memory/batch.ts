/**
 * The same for many objects at once, all or nothing: every object is locked, in slot order, before the first is
 * changed, and what was done is undone when one of them refuses.
 */
import type { CreateObject } from "../command.ts";
import { DeviceError } from "../errors.ts";
import { BATCH_OBJECTS_MAX, BATCH_PINS_AT_ONCE, BATCH_SLICE_OBJECTS, OBJECTS_MAX } from "../limits.ts";
import type { Memory } from "./memory.ts";
import { checkObjectSpec } from "./object-spec.ts";
import { NONE } from "./object-table.ts";
import {
  addPin,
  objectPinned,
  regionForPin,
  removeLocked,
  requireClientObject,
  unpinLocked,
} from "./objects.ts";
import { makeResident } from "./placement.ts";
import { makeResidentTogether } from "./placement-batch.ts";
import type { Region } from "./region.ts";

/** Creates `count` objects of one kind. Answers their ids, ascending. */
export function batchCreate(memory: Memory, template: CreateObject, count: number): string[] {
  if (!Number.isInteger(count) || count < 1 || count > BATCH_OBJECTS_MAX) throw tooMany(count);
  if (memory.table.count + count > OBJECTS_MAX) {
    throw new DeviceError(
      "LIMIT_EXCEEDED",
      `The device holds ${memory.table.count} objects, and ${count} more would be more than the ${OBJECTS_MAX} that it can.`,
      { limit: String(OBJECTS_MAX) },
    );
  }
  // In one go, which takes a few milliseconds for the largest batch: nobody sees a part of it.
  const spec = checkObjectSpec(memory, template);
  return Array.from({ length: count }, () => memory.idOf(memory.addObject(spec)));
}

/**
 * Pins every object in `region` or its first one. What can be brought there together is; the others come several at a time.
 * Objects that were moved for it stay where they are on failure.
 */
export async function batchPin(
  memory: Memory,
  ids: readonly string[],
  region: string | undefined,
): Promise<void> {
  await withObjects(memory, ids, async (slots) => {
    // Nothing moves before all have been asked.
    for (const [target, coming] of byRegion(memory, slots, region))
      await makeResidentTogether(memory, coming, target);
    await pinAll(memory, slots, region);
  });
}

/** The objects that are not pinned yet, by the region where each shall be. @throws DeviceError when one refuses. */
function byRegion(
  memory: Memory,
  slots: readonly number[],
  regionId: string | undefined,
): Map<Region, number[]> {
  const found = new Map<Region, number[]>();
  for (const slot of slots) {
    const region = regionForPin(memory, slot, regionId);
    if (memory.table.pinCount[slot] > 0) continue;
    const others = found.get(region);
    if (others === undefined) found.set(region, [slot]);
    else others.push(slot);
  }
  return found;
}

/** Pins objects: at once those that are in their place, and several of the others at a time. All of them, or none. */
async function pinAll(memory: Memory, slots: readonly number[], regionId: string | undefined): Promise<void> {
  const { table } = memory;
  const pinned: number[] = [];
  const left = slots.values();
  let failed = false;
  const pinInTurn = async () => {
    for (const slot of left) {
      if (failed) return;
      try {
        const region = regionForPin(memory, slot, regionId);
        if (table.pinCount[slot] === 0 && table.region[slot] !== region.index)
          await makeResident(memory, slot, region);
        addPin(memory, slot);
      } catch (error) {
        failed = true;
        throw error;
      }
      pinned.push(slot);
      if (pinned.length % BATCH_SLICE_OBJECTS === 0) await memory.clock.yield();
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: BATCH_PINS_AT_ONCE }, pinInTurn));
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure === undefined) return;
  for (const slot of pinned) unpinLocked(memory, slot);
  throw failure.reason;
}

export async function batchUnpin(memory: Memory, ids: readonly string[]): Promise<void> {
  await withObjects(memory, ids, (slots) => {
    for (const slot of slots) {
      if (memory.table.pinCount[slot] > 0) continue;
      const id = memory.idOf(slot);
      throw new DeviceError("OBJECT_NOT_PINNED", `Object ${id} is not pinned, so none was unpinned.`, {
        object: id,
      });
    }
    for (const slot of slots) unpinLocked(memory, slot);
  });
}

export async function batchDelete(memory: Memory, ids: readonly string[]): Promise<void> {
  await withObjects(memory, ids, (slots) => {
    for (const slot of slots) {
      if (memory.table.pinCount[slot] > 0) throw objectPinned(memory, slot, "be deleted, so none was");
    }
    for (const slot of slots) removeLocked(memory, slot);
  });
}

async function withObjects(
  memory: Memory,
  ids: readonly string[],
  work: (slots: readonly number[]) => void | Promise<void>,
): Promise<void> {
  if (ids.length < 1 || ids.length > BATCH_OBJECTS_MAX) throw tooMany(ids.length);
  if (new Set(ids).size !== ids.length) {
    throw new DeviceError("INVALID_REQUEST", "An object is named twice in one batch.");
  }
  // Slot order, so that two batches that share objects cannot wait for each other.
  const order = ids.map((id) => ({ id, slot: memory.findObject(id) })).sort((a, b) => a.slot - b.slot);
  const slots: number[] = [];
  let atOnce = true;
  try {
    for (const { id, slot } of order) {
      // What was looked up is true until something is awaited.
      atOnce &&= slot !== NONE && memory.locks.tryLock(slot);
      slots.push(atOnce ? slot : await memory.lockObject(id));
      requireClientObject(memory, slot);
    }
    await work(slots);
  } finally {
    for (const slot of slots) memory.locks.unlock(slot);
  }
}

function tooMany(count: number): DeviceError {
  return new DeviceError(
    "INVALID_REQUEST",
    `A batch of ${count} objects is not between 1 and ${BATCH_OBJECTS_MAX} objects.`,
    { limit: String(BATCH_OBJECTS_MAX) },
  );
}
