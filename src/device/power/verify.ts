/**
 * Verification: a CRC-32C of every client object. It is taken before `evict`, or for objects in use when
 * their work has ended, and compared after resume wherever the bytes are then.
 */

import { SWAPPED } from "../backing-state.ts";
import { DeviceError, toDeviceError } from "../errors.ts";
import { DELETE_SLICE_OBJECTS, OBJECTS_NAMED_MAX, WALK_SLICE_OBJECTS } from "../limits.ts";
import { crcOfObject, crcOfSwapped } from "../memory/content.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { loseContent } from "../memory/residency.ts";
import { WorkSlices } from "../work-slices.ts";
import type { WorkingMemory } from "./working-memory.ts";

/** Checksums by slot. Valid while no object is created or deleted, which a suspended device guarantees. */
export type Checksums = ReadonlyMap<number, number>;

/** Checksums that are still being taken. */
export type TakenChecksums = Map<number, number>;

/**
 * Takes the checksums of everything that a suspend must preserve, except objects in use. Those may change
 * until the GT is idle, and `checksumMoving` and `addChecksums` handle them.
 */
export async function takeChecksums(work: WorkingMemory): Promise<TakenChecksums> {
  const checksums: TakenChecksums = new Map();
  const isWanted = (slot: number): boolean => !work.memory.reservations.isActive(slot);
  await sumContent(work, checksums, isWanted);
  return checksums;
}

/**
 * Adds the checksums of objects about to move because their work has ended meanwhile, so that a wrong copy of
 * these is found too. The caller holds their locks. The device's own objects, such as context images, have no
 * checksums.
 */
export async function checksumMoving(
  { memory, services }: WorkingMemory,
  checksums: TakenChecksums,
  slots: readonly number[],
): Promise<void> {
  const slices = new WorkSlices(services.clock);
  for (const slot of slots) {
    if (memory.table.has(slot, FLAG.KERNEL)) continue;
    if (!checksums.has(slot)) checksums.set(slot, await crcOfObject(memory, slot, { slices }));
  }
}

/** Adds the remaining ones. Legal when the GT is idle. */
export async function addChecksums(work: WorkingMemory, checksums: TakenChecksums): Promise<void> {
  await sumContent(work, checksums, (slot) => !checksums.has(slot));
}

async function sumContent(
  { memory, services }: WorkingMemory,
  checksums: TakenChecksums,
  isWanted: (slot: number) => boolean,
): Promise<void> {
  const { table, locks } = memory;
  const slices = new WorkSlices(services.clock);
  let looked = 0;
  for (let slot = table.orderHead; slot !== NONE; slot = table.orderNext[slot]) {
    if (++looked % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
    if (table.resource[slot] === NONE) continue;
    if (table.pinCount[slot] > 0 && table.has(slot, FLAG.PM_VOLATILE)) continue;
    if (!isWanted(slot)) continue;
    // Accepted work still makes room for its objects. Without the lock it could move this one while it is
    // half read.
    await locks.lock(slot);
    try {
      if (table.resource[slot] !== NONE) checksums.set(slot, await crcOfObject(memory, slot, { slices }));
    } finally {
      locks.unlock(slot);
    }
  }
}

/**
 * The objects whose contents have changed.
 * @throws DeviceError COPY_FAILED if one could not be read.
 */
export async function findChanged(work: WorkingMemory, checksums: Checksums): Promise<number[]> {
  const { memory, services } = work;
  const wrong: number[] = [];
  const slices = new WorkSlices(services.clock);
  for (const [slot, expected] of checksums) {
    const found = await crcNow(memory, slot, slices);
    // It was purged meanwhile with the client's permission, so there is nothing to compare.
    if (found === "gone") continue;
    if (found !== expected || services.failpoints.fires("verify.mismatch")) wrong.push(slot);
  }
  return wrong;
}

/** Marks these as UNKNOWN. @throws DeviceError CHECKSUM_MISMATCH naming them, if there are any. */
export async function giveUp(work: WorkingMemory, wrong: readonly number[]): Promise<void> {
  const { memory, services } = work;
  if (wrong.length === 0) return;
  const ids = wrong.map((slot) => memory.idOf(slot));
  services.emit({ type: "verifyFailed", objects: ids });
  let lost = 0;
  for (const slot of wrong) {
    loseContent(memory, slot);
    if (++lost % DELETE_SLICE_OBJECTS === 0) await services.clock.yield();
  }
  const named = ids.slice(0, OBJECTS_NAMED_MAX).join(", ");
  throw new DeviceError(
    "CHECKSUM_MISMATCH",
    `${wrong.length} objects do not have the content that they had before the suspend, and it is ` +
      `given up: ${named}.`,
    { objects: named, count: String(wrong.length) },
  );
}

/** The present checksum, wherever the bytes are; "damaged" if swap returned other bytes. */
async function crcNow(
  memory: Memory,
  slot: number,
  slices: WorkSlices,
): Promise<number | "gone" | "damaged"> {
  const { table } = memory;
  if (table.resource[slot] !== NONE) return crcOfObject(memory, slot, { slices });
  if (table.state[slot] !== SWAPPED) return "gone";
  try {
    // Swap itself only checks what reached it, which may have been wrong already.
    return await crcOfSwapped(memory, slot);
  } catch (error) {
    const cause = toDeviceError(error);
    if (cause.reason === "CHECKSUM_MISMATCH") return "damaged";
    const id = memory.idOf(slot);
    throw new DeviceError("COPY_FAILED", `Object ${id} could not be read from swap: ${cause.message}`, {
      object: id,
    });
  }
}
