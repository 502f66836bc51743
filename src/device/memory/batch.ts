/**
 * Commands for many objects at once, all or nothing. Every object is locked, in slot order, before the first
 * is changed, and everything is undone if one of them refuses.
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

/** Creates `count` equal objects. Returns their ids in ascending order. */
export async function batchCreate(memory: Memory, template: CreateObject, count: number): Promise<string[]> {
  if (!Number.isInteger(count) || count < 1 || count > BATCH_OBJECTS_MAX) throw tooMany(count);
  if (memory.table.count + count > OBJECTS_MAX) {
    throw new DeviceError(
      "LIMIT_EXCEEDED",
      `The device holds ${memory.table.count} objects, and ${count} more would be more than the ` +
        `${OBJECTS_MAX} that it can.`,
      { limit: String(OBJECTS_MAX) },
    );
  }
  // Without a pause, which takes 2 ms for the largest batch, so nobody sees a part of it.
  const spec = checkObjectSpec(memory, template);
  const ids = Array.from({ length: count }, () => memory.idOf(memory.addObject(spec)));
  await rest(memory, count);
  return ids;
}

/**
 * Pins every object in `region` or its first region. Objects that can be moved there together are; the others
 * move several at a time. After a failure, moved objects stay where they are.
 */
export async function batchPin(
  memory: Memory,
  ids: readonly string[],
  region: string | undefined,
): Promise<void> {
  await withObjects(memory, ids, async (slots) => {
    // Nothing moves before every object has been checked.
    for (const [target, coming] of await byRegion(memory, slots, region))
      await makeResidentTogether(memory, coming, target);
    await pinAll(memory, slots, region);
  });
}

/**
 * The objects that are not pinned yet, by the region where each shall be.
 * @throws DeviceError when one refuses.
 */
async function byRegion(
  memory: Memory,
  slots: readonly number[],
  regionId: string | undefined,
): Promise<Map<Region, number[]>> {
  const found = new Map<Region, number[]>();
  await inSlices(memory, slots, (slot) => {
    const region = regionForPin(memory, slot, regionId);
    if (memory.table.pinCount[slot] > 0) return;
    const others = found.get(region);
    if (others === undefined) found.set(region, [slot]);
    else others.push(slot);
  });
  return found;
}

/**
 * Pins objects: first those that are in their place, then several of the others at a time. All of them, or
 * none.
 */
async function pinAll(memory: Memory, slots: readonly number[], regionId: string | undefined): Promise<void> {
  const { table } = memory;
  const pinned: number[] = [];
  const away: number[] = [];
  const pin = (slot: number): void => {
    addPin(memory, slot);
    pinned.push(slot);
  };
  try {
    await inSlices(memory, slots, (slot) => {
      const region = regionForPin(memory, slot, regionId);
      if (table.pinCount[slot] > 0 || table.region[slot] === region.index) pin(slot);
      else away.push(slot);
    });
    await severalAtOnce(away, async (slot) => {
      await makeResident(memory, slot, regionForPin(memory, slot, regionId));
      pin(slot);
    });
  } catch (error) {
    await inSlices(memory, pinned, (slot) => unpinLocked(memory, slot));
    throw error;
  }
}

/**
 * Does `work` with BATCH_PINS_AT_ONCE objects at a time, until one fails. Throws after all running work has
 * ended.
 */
async function severalAtOnce(slots: readonly number[], work: (slot: number) => Promise<void>): Promise<void> {
  const left = slots.values();
  let failed = false;
  const inTurn = async (): Promise<void> => {
    for (const slot of left) {
      if (failed) return;
      try {
        await work(slot);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: BATCH_PINS_AT_ONCE }, inTurn));
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) throw failure.reason;
}

export async function batchUnpin(memory: Memory, ids: readonly string[]): Promise<void> {
  await withObjects(memory, ids, async (slots) => {
    for (const slot of slots) {
      if (memory.table.pinCount[slot] > 0) continue;
      const id = memory.idOf(slot);
      throw new DeviceError("OBJECT_NOT_PINNED", `Object ${id} is not pinned, so none was unpinned.`, {
        object: id,
      });
    }
    await inSlices(memory, slots, (slot) => unpinLocked(memory, slot));
  });
}

export async function batchDelete(memory: Memory, ids: readonly string[]): Promise<void> {
  await withObjects(memory, ids, async (slots) => {
    for (const slot of slots) {
      if (memory.table.pinCount[slot] > 0) throw objectPinned(memory, slot, "be deleted, so none was");
    }
    await inSlices(memory, slots, (slot) => removeLocked(memory, slot));
  });
}

/**
 * Looks up and locks the objects of a batch, does `work` with their slots in ascending order, and unlocks
 * them.
 */
async function withObjects(
  memory: Memory,
  ids: readonly string[],
  work: (slots: readonly number[]) => Promise<void>,
): Promise<void> {
  if (ids.length < 1 || ids.length > BATCH_OBJECTS_MAX) throw tooMany(ids.length);
  await rest(memory, ids.length);
  if (new Set(ids).size !== ids.length) {
    throw new DeviceError("INVALID_REQUEST", "An object is named twice in one batch.");
  }
  // Slot order prevents a deadlock between two batches with common objects.
  const order = ids.map((id) => ({ id, slot: memory.findObject(id) })).sort((a, b) => a.slot - b.slot);
  const slots: number[] = [];
  let atOnce = true;
  try {
    for (const { id, slot } of order) {
      // Whatever was looked up is valid until the next await.
      atOnce &&= slot !== NONE && memory.locks.tryLock(slot);
      slots.push(atOnce ? slot : await memory.lockObject(id));
      requireClientObject(memory, slot);
    }
    await rest(memory, ids.length);
    await work(slots);
  } finally {
    for (const slot of slots) memory.locks.unlock(slot);
  }
}

/**
 * Lets others run during uninterrupted work on a large batch: reading names from a wire, locking objects, or
 * writing names to a wire.
 */
async function rest(memory: Memory, count: number): Promise<void> {
  if (count > BATCH_SLICE_OBJECTS) await memory.services.clock.yield();
}

/**
 * Visits objects whose locks the caller holds, and lets others run in between. These objects do not change
 * meanwhile.
 */
async function inSlices(
  memory: Memory,
  slots: readonly number[],
  visit: (slot: number) => void,
): Promise<void> {
  for (let at = 0; at < slots.length; at++) {
    if (at > 0 && at % BATCH_SLICE_OBJECTS === 0) await memory.services.clock.yield();
    visit(slots[at]);
  }
}

function tooMany(count: number): DeviceError {
  return new DeviceError(
    "INVALID_REQUEST",
    `A batch of ${count} objects is not between 1 and ${BATCH_OBJECTS_MAX} objects.`,
    { limit: String(BATCH_OBJECTS_MAX) },
  );
}
