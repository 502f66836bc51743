/**
 * What must always be true of memory, whatever happened (reference invariants 19, 23, 56-60). Called by tests after
 * every step; costs a walk over everything, and no sentence before something is wrong.
 */
import assert from "node:assert/strict";
import { LIST_PINNED } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { DYING_ID, FLAG, FLAG_BACKUP, NONE, RESIDENT, SWAPPED } from "./object-table.ts";
import type { Region } from "./region.ts";

/** @throws AssertionError naming what is broken. Legal when no operation is in progress. */
export function checkMemoryInvariants(memory: Memory): void {
  const { table } = memory;
  const listed = new Int32Array(table.slotsUsed).fill(NONE);
  for (const region of memory.regions) {
    region.checkInvariants();
    if (region.inHands !== 0) assert.fail(`region ${region.id}: somebody holds an object that is to leave`);
    for (let list = 0; list <= LIST_PINNED; list++) {
      for (let slot = region.lists.head(list); slot !== NONE; slot = table.listNext[slot]) {
        if (listed[slot] !== NONE) assert.fail(`slot ${slot} is on two lists`);
        listed[slot] = region.index;
      }
    }
  }
  const bytes = memory.regions.map(() => ({ pinned: 0, pinnedObjects: 0, objects: 0, backup: 0 }));
  const taken = memory.regions.map((region) => new Taken(region));
  const backups = new Map<number, number>();
  let live = 0;
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if (table.id[slot] === 0) continue;
    live++;
    const resource = table.resource[slot];
    if (!memory.reservations.isActive(slot)) {
      if (table.id[slot] === DYING_ID) assert.fail(`slot ${slot} is deleted and idle but still there`);
      if (table.active[slot] !== 0) assert.fail(`slot ${slot} counts work that has ended`);
    }
    if (table.locked[slot] !== 0) assert.fail(`slot ${slot} is locked although nothing is in progress`);
    if (table.backup[slot] !== NONE) {
      if (backups.has(table.backup[slot])) assert.fail(`backup ${table.backup[slot]} has two owners`);
      backups.set(table.backup[slot], slot);
    }
    if (resource === NONE) {
      if (table.region[slot] !== NONE) assert.fail(`slot ${slot} has a region without bytes`);
      if (table.pinCount[slot] !== 0) assert.fail(`slot ${slot} is pinned without bytes`);
      if (listed[slot] !== NONE) assert.fail(`slot ${slot} is on a list without bytes`);
      if (table.state[slot] === RESIDENT) assert.fail(`slot ${slot} is RESIDENT without bytes`);
      if ((memory.swap?.has(slot) === true) !== (table.state[slot] === SWAPPED))
        assert.fail(`slot ${slot}: swap and state do not agree`);
      continue;
    }
    const region = memory.region(table.region[slot]);
    if (table.state[slot] !== RESIDENT) assert.fail(`slot ${slot} has bytes and is not RESIDENT`);
    if (listed[slot] !== region.index) assert.fail(`slot ${slot} is not on a list of its region`);
    const pinned = table.pinCount[slot] > 0;
    if ((table.list[slot] % (LIST_PINNED + 1) === LIST_PINNED) !== pinned)
      assert.fail(`slot ${slot} is on the wrong list`);
    const tally = bytes[region.index];
    tally.objects++;
    if (pinned) {
      tally.pinned += table.sizeBytes[slot];
      tally.pinnedObjects++;
    }
    if (table.has(slot, FLAG_BACKUP)) tally.backup += table.sizeBytes[slot];
    taken[region.index].take(slot, resource, memory);
  }
  memory.swap?.checkInvariants();
  assert.equal(live, table.count, "the table counts its live objects");
  for (const region of memory.regions) {
    const tally = bytes[region.index];
    const { usedBytes, visibleBytes } = taken[region.index];
    const used = usedBytes + region.reservedBytes;
    assert.equal(used + region.freeBytes, region.sizeBytes, `region ${region.id}: used + free = size`);
    assert.equal(tally.pinnedObjects, region.pinnedObjectCount, `region ${region.id}: pinned objects`);
    assert.equal(tally.backup, region.backupBytes, `region ${region.id}: bytes of backups`);
    if (region.reservedBytes === 0) {
      assert.equal(
        visibleBytes + region.visibleFreeBytes,
        region.visibleBytes,
        `region ${region.id}: visible bytes`,
      );
    }
    assert.equal(tally.pinned, region.pinnedBytes, `region ${region.id}: pinned bytes`);
    assert.equal(tally.objects, region.objectCount, `region ${region.id}: object count`);
    checkDisjoint(region, taken[region.index]);
  }
  checkBackups(memory, backups);
}

/** What the objects of a region have of it. One record for all of them: this is most of the walk. */
class Taken {
  readonly startsBytes: number[] = [];
  readonly endsBytes: number[] = [];
  usedBytes = 0;
  visibleBytes = 0;
  readonly #region: Region;
  #pieces = 0;
  readonly #takeBlock = (offsetBytes: number, lengthBytes: number): void => {
    const endBytes = offsetBytes + lengthBytes;
    if (offsetBytes % this.#region.minPageBytes !== 0 || lengthBytes <= 0)
      assert.fail(`the block from ${offsetBytes} to ${endBytes} is empty or not page aligned`);
    if (offsetBytes !== this.endsBytes.at(-1) || this.#pieces === 0) this.#pieces++;
    this.startsBytes.push(offsetBytes);
    this.endsBytes.push(endBytes);
    this.usedBytes += lengthBytes;
    this.visibleBytes += Math.max(0, Math.min(this.#region.visibleBytes, endBytes) - offsetBytes);
  };

  constructor(region: Region) {
    this.#region = region;
  }

  take(slot: number, resource: number, { table }: Memory): void {
    const region = this.#region;
    const before = this.usedBytes;
    this.#pieces = 0;
    region.forEachBlock(resource, this.#takeBlock);
    if (this.#pieces !== 1 && region.kind === "LOCAL" && table.has(slot, FLAG.CONTIGUOUS))
      assert.fail(`contiguous slot ${slot} has ${this.#pieces} extents`);
    const needed = Math.ceil(table.sizeBytes[slot] / region.minPageBytes) * region.minPageBytes;
    if (this.usedBytes - before < needed) assert.fail(`the extents of slot ${slot} do not hold its size`);
  }
}

/** Extents are disjoint when each, in order, starts where the one before it has ended or later: none is empty. */
function checkDisjoint(region: Region, { startsBytes, endsBytes }: Taken): void {
  const starts = new Float64Array(startsBytes).sort();
  const ends = new Float64Array(endsBytes).sort();
  for (let at = 1; at < starts.length; at++) {
    if (starts[at] < ends[at - 1]) assert.fail(`extents overlap in region ${region.id} at ${starts[at]}`);
  }
  if (ends.length > 0 && ends[ends.length - 1] > region.sizeBytes)
    assert.fail(`an extent ends beyond region ${region.id}`);
}

function checkBackups(memory: Memory, owners: ReadonlyMap<number, number>): void {
  const { table } = memory;
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if (table.id[slot] === 0 || !table.has(slot, FLAG_BACKUP)) continue;
    const owner = owners.get(slot);
    if (owner === undefined) assert.fail(`backup ${slot} has no owner`);
    assert.equal(table.sizeBytes[slot], table.sizeBytes[owner], "a backup has its owner's size");
    assert.equal(table.region[slot], memory.system.index, "a backup is in system memory");
  }
  for (const backup of owners.keys()) {
    if (!table.has(backup, FLAG_BACKUP)) assert.fail(`slot ${backup} is the backup of another and none`);
  }
}
