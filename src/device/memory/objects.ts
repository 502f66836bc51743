/**
 * The commands of clients for objects: create, delete, pin, unpin, move, evict a region. Each holds the
 * object's lock while it works, and a failure changes nothing. Its answer was true under the lock; the next
 * holder of the lock may delete the object.
 */

import { PURGED, RESIDENT, UNKNOWN } from "../backing-state.ts";
import type {
  AdviseObject,
  CreateObject,
  DeleteObject,
  MoveObject,
  PinObject,
  UnpinObject,
} from "../command.ts";
import { DeviceError } from "../errors.ts";
import { OBJECTS_MAX } from "../limits.ts";
import type { ObjectResource } from "../resource.ts";
import { ownedByDevice } from "./content.ts";
import { describeObject, etagOf } from "./describe.ts";
import { collectVictims, evictVictims, noSystemMemory } from "./evict.ts";
import { requireUsable } from "./lifecycle.ts";
import type { Memory } from "./memory.ts";
import { checkObjectSpec } from "./object-spec.ts";
import { DYING_ID, FLAG, NONE } from "./object-table.ts";
import { makeResident } from "./placement.ts";
import type { Region } from "./region.ts";
import { dropResource, notePinned, purge, relist } from "./residency.ts";

/** Creates an object without bytes, which get a place at first use. Returns its slot. */
export function createObject(memory: Memory, command: CreateObject): number {
  const slot = memory.addObject(checkObjectSpec(memory, command));
  if (slot !== NONE) return slot;
  throw new DeviceError("LIMIT_EXCEEDED", `The device holds ${OBJECTS_MAX} objects, the most that it can.`, {
    limit: String(OBJECTS_MAX),
  });
}

/**
 * Deletes an object and frees its bytes.
 * @throws DeviceError OBJECT_NOT_FOUND, OBJECT_PINNED, ETAG_MISMATCH.
 */
export async function deleteObject(memory: Memory, command: DeleteObject): Promise<void> {
  await withObject(memory, command, (slot) => {
    if (memory.table.pinCount[slot] > 0) throw objectPinned(memory, slot, "be deleted");
    removeLocked(memory, slot);
  });
}

/** Makes an object resident in the named region, or in its first, and fixes its extents. Pins are counted. */
export async function pinObject(memory: Memory, command: PinObject): Promise<ObjectResource> {
  return withIdleObject(memory, command, async (slot) => {
    await pinLocked(memory, slot, command.region);
    return describeObject(memory, slot);
  });
}

/**
 * Removes one pin. After the last one the object can be evicted again.
 * @throws DeviceError OBJECT_NOT_PINNED.
 */
export async function unpinObject(memory: Memory, command: UnpinObject): Promise<ObjectResource> {
  return withObject(memory, command, (slot) => {
    const id = command.object;
    if (memory.table.pinCount[slot] === 0) {
      throw new DeviceError("OBJECT_NOT_PINNED", `Object ${id} is not pinned.`, { object: id });
    }
    unpinLocked(memory, slot);
    return describeObject(memory, slot);
  });
}

/**
 * Deletes an unpinned object whose lock the caller holds. Its id is gone at once. Its bytes are freed when
 * the last work that uses them has ended (ttm delayed destroy).
 */
export function removeLocked(memory: Memory, slot: number): void {
  memory.forgetObject(slot);
  if (!memory.reservations.isActive(slot)) destroy(memory, slot);
}

/** Called when the last work on an object has ended. Frees an object that was deleted meanwhile. */
export function destroyWhenIdle(memory: Memory, slot: number): void {
  if (memory.table.id[slot] !== DYING_ID) return;
  // Somebody may still hold it: a request that was on its way to the object when it failed.
  void memory.locks.lock(slot).then(() => {
    destroy(memory, slot);
    memory.locks.unlock(slot);
  });
}

/** Frees an object that has no name any more and that no work uses. */
export function destroy(memory: Memory, slot: number): void {
  if (memory.table.resource[slot] !== NONE) dropResource(memory, slot);
  memory.swap?.discard(slot);
  memory.removeObject(slot);
}

/** Pins an object whose lock the caller holds. */
export async function pinLocked(memory: Memory, slot: number, regionId: string | undefined): Promise<void> {
  const region = regionForPin(memory, slot, regionId);
  if (memory.table.pinCount[slot] === 0) await makeResident(memory, slot, region);
  addPin(memory, slot);
}

/** The region in which to pin an object. @throws DeviceError if it may not be pinned. */
export function regionForPin(memory: Memory, slot: number, regionId: string | undefined): Region {
  const { table } = memory;
  const region = allowedRegion(memory, slot, regionId);
  requireUsable(memory, slot);
  if (table.pinCount[slot] > 0 && regionId !== undefined && table.region[slot] !== region.index) {
    throw objectPinned(memory, slot, `be pinned in ${region.id}`);
  }
  return region;
}

/** Counts a pin of an object that is in its place. */
export function addPin(memory: Memory, slot: number): void {
  const { table } = memory;
  table.pinCount[slot]++;
  if (table.pinCount[slot] === 1) {
    notePinned(memory, slot, 1);
    relist(memory, slot);
  }
  memory.touch(slot);
}

/** Removes a pin from a pinned object whose lock the caller holds. */
export function unpinLocked(memory: Memory, slot: number): void {
  const { table } = memory;
  table.pinCount[slot]--;
  if (table.pinCount[slot] === 0) {
    notePinned(memory, slot, -1);
    relist(memory, slot);
  }
  memory.touch(slot);
}

/** Moves an unpinned object to one of its allowed regions (drm/i915 i915_gem_object_migrate). */
export async function moveObject(memory: Memory, command: MoveObject): Promise<ObjectResource> {
  return withIdleObject(memory, command, async (slot) => {
    const region = allowedRegion(memory, slot, command.region);
    requireUsable(memory, slot);
    if (memory.table.pinCount[slot] > 0 && memory.table.region[slot] !== region.index) {
      throw objectPinned(memory, slot, `be moved to ${region.id}`);
    }
    await makeResident(memory, slot, region);
    relist(memory, slot);
    return describeObject(memory, slot);
  });
}

/**
 * Records whether the client still needs the content (i915 madvise). After DONT_NEED it may be purged when
 * room is needed, and is purged at once if it has no bytes in memory. WILL_NEED takes that back. Returns
 * whether the content is still there.
 */
export async function adviseObject(memory: Memory, command: AdviseObject): Promise<boolean> {
  return withObject(memory, command, (slot) => {
    const { table } = memory;
    const { advice } = command;
    if (table.state[slot] === PURGED || table.state[slot] === UNKNOWN) return false;
    table.dontNeed[slot] = advice === "DONT_NEED" ? 1 : 0;
    memory.touch(slot);
    if (table.state[slot] === RESIDENT) relist(memory, slot);
    else if (advice === "DONT_NEED") {
      purge(memory, slot);
      return false;
    }
    return true;
  });
}

/** Evicts `bytes` of a local region, or everything evictable. */
export async function evictRegion(
  memory: Memory,
  regionId: string,
  bytes: number | undefined,
): Promise<{ objects: number; bytes: number }> {
  if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes >= 0)) {
    throw new DeviceError("INVALID_SIZE", `${bytes} is not a number of bytes to evict.`, {
      bytes: String(bytes),
    });
  }
  const region = memory.findRegion(regionId);
  if (region === undefined) {
    throw new DeviceError("REGION_NOT_FOUND", `Region ${regionId} does not exist.`, { region: regionId });
  }
  if (region.kind !== "LOCAL") {
    throw new DeviceError(
      "INVALID_REGION",
      `Region ${regionId} is not local memory: nothing is evicted from it.`,
      {
        region: regionId,
      },
    );
  }
  const total = { objects: 0, bytes: 0 };
  for (;;) {
    const left = bytes === undefined ? Number.POSITIVE_INFINITY : bytes - total.bytes;
    if (left <= 0) return total;
    const victims = collectVictims(memory, region, { bytesWanted: left });
    if (victims.slots.length === 0) return total;
    const evicted = await evictVictims(memory, victims, "request");
    const gone = evicted.objects + evicted.purgedObjects;
    total.objects += gone;
    total.bytes += evicted.bytes + evicted.purgedBytes;
    // The objects of one batch can be swapped out once they are in system memory, so that the next batch
    // finds room.
    if (evicted.exhausted && gone === 0) throw noSystemMemory(memory, `what is to leave region ${regionId}`);
  }
}

/** The object of a command, and the conditions that it must meet. */
interface Target {
  readonly object: string;
  readonly etag?: string;
}

type Work<T> = (slot: number) => T | Promise<T>;

function withObject<T>(memory: Memory, target: Target, work: Work<T>): Promise<T> {
  return whileLocked(memory, memory.lockObject(target.object), (slot) => {
    requireEtag(memory, slot, target);
    return work(slot);
  });
}

/** The same, after all work on the object has ended, so that it may move. */
function withIdleObject<T>(memory: Memory, target: Target, work: Work<T>): Promise<T> {
  return whileLocked(memory, memory.lockIdle(target.object, "write"), (slot) => {
    requireEtag(memory, slot, target);
    return work(slot);
  });
}

async function whileLocked<T>(memory: Memory, locked: Promise<number>, work: Work<T>): Promise<T> {
  const slot = await locked;
  try {
    requireClientObject(memory, slot);
    return await work(slot);
  } finally {
    memory.locks.unlock(slot);
  }
}

/** Checks the etag under the lock, because the object may have changed while the caller waited. */
function requireEtag(memory: Memory, slot: number, { object, etag }: Target): void {
  const current = etagOf(memory, slot);
  if (etag === undefined || etag === current) return;
  if (etag.split(",").some((each) => each.trim() === current)) return;
  throw new DeviceError(
    "ETAG_MISMATCH",
    `Object ${object} has etag ${current}, not ${etag}: it has changed since it was looked at.`,
    { object, etag: current },
  );
}

/** @throws DeviceError INVALID_REQUEST for an object of the device's own. */
export function requireClientObject(memory: Memory, slot: number): void {
  if (memory.table.has(slot, FLAG.KERNEL)) throw ownedByDevice(memory.idOf(slot));
}

/** The region that a client names for an object, or the object's first one. */
function allowedRegion(memory: Memory, slot: number, regionId: string | undefined): Region {
  const allowed = memory.placementOf(slot).map((index) => memory.region(index));
  const region = regionId === undefined ? allowed[0] : allowed.find((each) => each.id === regionId);
  if (region !== undefined) return region;
  throw new DeviceError(
    "INVALID_REGION",
    `Region ${regionId} is not allowed for object ${memory.idOf(slot)}; it may be in ` +
      `${allowed.map((each) => each.id).join(", ")}.`,
    { region: regionId ?? "", object: memory.idOf(slot) },
  );
}

/** The error for an operation that a pin forbids. */
export function objectPinned(memory: Memory, slot: number, what: string): DeviceError {
  const pins = memory.table.pinCount[slot];
  const id = memory.idOf(slot);
  return new DeviceError(
    "OBJECT_PINNED",
    `Object ${id} is pinned (${pins === 1 ? "once" : `${pins} times`} in region ` +
      `${memory.region(memory.table.region[slot]).id}) and cannot ${what}.`,
    {
      object: id,
      pinCount: String(pins),
    },
  );
}
