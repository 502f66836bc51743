/**
 * Verification: a CRC-32C of every client object, taken before `evict` or, of what work still uses, when that has ended,
 * and compared wherever its bytes are after resume.
 */
import { DeviceError } from "../errors.ts";
import { OBJECTS_NAMED_MAX, WALK_SLICE_OBJECTS } from "../limits.ts";
import { crcOfObject } from "../memory/content.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { loseContent } from "../memory/residency.ts";

/** Checksums by slot. Valid while no object is created or deleted, which a suspended device guarantees. */
export type Checksums = ReadonlyMap<number, number>;

/**
 * Checksums of everything whose content a suspend must keep, but for what work still uses: that may change until the GT
 * is idle, and is left to `addChecksums`.
 */
export async function takeChecksums(memory: Memory): Promise<Checksums> {
  const checksums = new Map<number, number>();
  await visitContent(memory, async (slot) => {
    if (!memory.reservations.isActive(slot)) checksums.set(slot, await crcOfObject(memory, slot));
  });
  return checksums;
}

/** The same checksums with those that were left out. Legal when the GT is idle. */
export async function addChecksums(memory: Memory, taken: Checksums): Promise<Checksums> {
  const checksums = new Map(taken);
  await visitContent(memory, async (slot) => {
    if (!checksums.has(slot)) checksums.set(slot, await crcOfObject(memory, slot));
  });
  return checksums;
}

async function visitContent(memory: Memory, visit: (slot: number) => Promise<void>): Promise<void> {
  const { table } = memory;
  let looked = 0;
  for (let slot = table.orderHead; slot !== NONE; slot = table.orderNext[slot]) {
    if (++looked % WALK_SLICE_OBJECTS === 0) await memory.clock.yield();
    if (table.resource[slot] === NONE) continue;
    if (table.pinCount[slot] > 0 && table.has(slot, FLAG.PM_VOLATILE)) continue;
    await visit(slot);
  }
}

/**
 * Compares everything, and marks what is not what it was as UNKNOWN.
 * @throws DeviceError CHECKSUM_MISMATCH naming those objects.
 */
export async function compareChecksums(memory: Memory, checksums: Checksums): Promise<void> {
  const wrong: number[] = [];
  for (const [slot, expected] of checksums) {
    // Thrown away meanwhile with the client's leave: there is nothing to compare.
    if (memory.table.resource[slot] === NONE) continue;
    const found = await crcOfObject(memory, slot);
    if (found !== expected || memory.failpoints.fires("verify.mismatch")) wrong.push(slot);
  }
  if (wrong.length === 0) return;
  const ids = wrong.map((slot) => memory.idOf(slot));
  memory.emit({ type: "verifyFailed", objects: ids });
  for (const slot of wrong) loseContent(memory, slot);
  const named = ids.slice(0, OBJECTS_NAMED_MAX).join(", ");
  throw new DeviceError(
    "CHECKSUM_MISMATCH",
    `${wrong.length} objects do not have the content that they had before the suspend, and it is given up: ${named}.`,
    { objects: named, count: String(wrong.length) },
  );
}
