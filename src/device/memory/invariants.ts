/**
 * What must always be true of memory, whatever happened (reference invariants 19, 23, 56-60). Called by tests after
 * every step; costs a walk over everything.
 */
import assert from "node:assert/strict";
import { LIST_PINNED } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { DYING_ID, FLAG, FLAG_BACKUP, NONE, RESIDENT, SWAPPED } from "./object-table.ts";
import type { Region } from "./region.ts";

/** @throws AssertionError naming what is broken. Legal when no operation is in progress. */
export function checkMemoryInvariants(memory: Memory): void {
  const { table } = memory;
  const listed = new Map<number, number>();
  for (const region of memory.regions) {
    region.checkInvariants();
    assert.equal(region.inHands, 0, `region ${region.id}: nobody holds an object that is to leave`);
    for (const slot of region.lists.all()) {
      assert(!listed.has(slot), `slot ${slot} is on two lists`);
      listed.set(slot, region.index);
    }
  }
  const bytes = memory.regions.map(() => ({
    used: 0,
    pinned: 0,
    pinnedObjects: 0,
    objects: 0,
    visible: 0,
    backup: 0,
  }));
  const extents: Taken[][] = memory.regions.map(() => []);
  const backups = new Map<number, number>();
  let live = 0;
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if (table.id[slot] === 0) continue;
    live++;
    const resource = table.resource[slot];
    if (!memory.reservations.isActive(slot)) {
      assert.notEqual(table.id[slot], DYING_ID, `slot ${slot} is deleted and idle but still there`);
      assert.equal(table.active[slot], 0, `slot ${slot} counts work that has ended`);
    }
    assert.equal(table.locked[slot], 0, `slot ${slot} is locked although nothing is in progress`);
    if (table.backup[slot] !== NONE) {
      assert(!backups.has(table.backup[slot]), `backup ${table.backup[slot]} has two owners`);
      backups.set(table.backup[slot], slot);
    }
    if (resource === NONE) {
      assert.equal(table.region[slot], NONE);
      assert.equal(table.pinCount[slot], 0, `slot ${slot} is pinned without bytes`);
      assert(!listed.has(slot), `slot ${slot} is on a list without bytes`);
      assert.notEqual(table.state[slot], RESIDENT, `slot ${slot} is RESIDENT without bytes`);
      assert.equal(
        memory.swap?.has(slot) === true,
        table.state[slot] === SWAPPED,
        `slot ${slot}: swap and state agree`,
      );
      continue;
    }
    const region = memory.region(table.region[slot]);
    assert.equal(table.state[slot], RESIDENT);
    assert.equal(listed.get(slot), region.index, `slot ${slot} is not on a list of its region`);
    const pinned = table.pinCount[slot] > 0;
    assert.equal(
      table.list[slot] % (LIST_PINNED + 1) === LIST_PINNED,
      pinned,
      `slot ${slot} is on the wrong list`,
    );
    const tally = bytes[region.index];
    tally.objects++;
    if (pinned) {
      tally.pinned += table.sizeBytes[slot];
      tally.pinnedObjects++;
    }
    tally.visible += region.visibleBytesOf(resource);
    if (table.has(slot, FLAG_BACKUP)) tally.backup += table.sizeBytes[slot];
    tally.used += takeExtents(region, slot, resource, extents[region.index], memory);
  }
  memory.swap?.checkInvariants();
  assert.equal(live, table.count, "the table counts its live objects");
  for (const region of memory.regions) {
    const tally = bytes[region.index];
    const used = tally.used + region.reservedBytes;
    assert.equal(used + region.freeBytes, region.sizeBytes, `region ${region.id}: used + free = size`);
    assert.equal(tally.pinnedObjects, region.pinnedObjectCount, `region ${region.id}: pinned objects`);
    assert.equal(tally.backup, region.backupBytes, `region ${region.id}: bytes of backups`);
    if (region.reservedBytes === 0) {
      assert.equal(
        tally.visible + region.visibleFreeBytes,
        region.visibleBytes,
        `region ${region.id}: visible bytes`,
      );
    }
    assert.equal(tally.pinned, region.pinnedBytes, `region ${region.id}: pinned bytes`);
    assert.equal(tally.objects, region.objectCount, `region ${region.id}: object count`);
    checkDisjoint(region, extents[region.index]);
  }
  checkBackups(memory, backups);
}

interface Taken {
  readonly offsetBytes: number;
  readonly endBytes: number;
}

function takeExtents(region: Region, slot: number, resource: number, into: Taken[], memory: Memory): number {
  const { table } = memory;
  const list = region.extents(resource);
  if (table.has(slot, FLAG.CONTIGUOUS) && region.kind === "LOCAL") {
    assert.equal(list.length, 1, `contiguous slot ${slot} has one extent`);
  }
  let sum = 0;
  for (const { offsetBytes, lengthBytes } of list) {
    assert(offsetBytes % region.minPageBytes === 0, `an extent of slot ${slot} is page aligned`);
    into.push({ offsetBytes, endBytes: offsetBytes + lengthBytes });
    sum += lengthBytes;
  }
  const needed = Math.ceil(table.sizeBytes[slot] / region.minPageBytes) * region.minPageBytes;
  assert(sum >= needed, `the extents of slot ${slot} hold its size`);
  return sum;
}

function checkDisjoint(region: Region, taken: Taken[]): void {
  taken.sort((a, b) => a.offsetBytes - b.offsetBytes);
  let end = 0;
  for (const extent of taken) {
    assert(extent.offsetBytes >= end, `extents overlap in region ${region.id} at ${extent.offsetBytes}`);
    end = extent.endBytes;
  }
  assert(end <= region.sizeBytes, `an extent ends beyond region ${region.id}`);
}

function checkBackups(memory: Memory, owners: ReadonlyMap<number, number>): void {
  const { table } = memory;
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if (table.id[slot] === 0 || !table.has(slot, FLAG_BACKUP)) continue;
    const owner = owners.get(slot);
    assert(owner !== undefined, `backup ${slot} has no owner`);
    assert.equal(table.sizeBytes[slot], table.sizeBytes[owner], "a backup has its owner's size");
    assert.equal(table.region[slot], memory.system.index, "a backup is in system memory");
  }
  for (const backup of owners.keys()) assert(table.has(backup, FLAG_BACKUP), `slot ${backup} is a backup`);
}
