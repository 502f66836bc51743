/**
 * What must always be true of memory, whatever happened (invariants 19, 23 and 56 to 60 of
 * docs/conformance.md). Called by tests after every step; costs a walk over everything, and no sentence
 * before something is wrong.
 */
import assert from "node:assert/strict";
import { RESIDENT, SWAPPED, UNKNOWN } from "../backing-state.ts";
import { LIST_PINNED } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { DYING_ID, FLAG, FLAG_BACKUP, NONE, type ObjectTable } from "./object-table.ts";
import type { Region } from "./region.ts";

/** @throws AssertionError naming what is broken. Legal when no operation is in progress. */
export function checkMemoryInvariants(memory: Memory): void {
  const { table } = memory;
  const { slotsUsed } = table;
  const listed = filled(scratch.listed, slotsUsed, NONE);
  const ownerOf = filled(scratch.ownerOf, slotsUsed, NONE);
  scratch.listed = listed;
  scratch.ownerOf = ownerOf;
  for (const region of memory.regions) checkLists(region, table, listed);
  const taken = memory.regions.map((region) => new Taken(region));
  let live = 0;
  for (let slot = 0; slot < slotsUsed; slot++) {
    if (table.id[slot] === 0) continue;
    live++;
    checkUse(memory, slot);
    const backup = table.backup[slot];
    if (backup !== NONE) {
      if (ownerOf[backup] !== NONE) assert.fail(`backup ${backup} has two owners`);
      ownerOf[backup] = slot;
    }
    if (table.resource[slot] === NONE) checkWithoutBytes(memory, slot, listed[slot]);
    else taken[checkPlace(memory, slot, listed[slot])].take(slot, table);
  }
  memory.swap?.checkInvariants();
  if (live !== table.count) assert.fail(`the table has ${live} live objects and counts ${table.count}`);
  for (const each of taken) each.check();
  checkBackups(memory, ownerOf);
}

/**
 * What a walk notes by slot, and by page of each region: kept from walk to walk, of which tests make one
 * after every step.
 */
const scratch = { listed: new Int32Array(0), ownerOf: new Int32Array(0), pages: [new Uint8Array(0)] };

/** Room for `length` numbers, the first of which are `value`. */
function filled(room: Int32Array<ArrayBuffer>, length: number, value: number): Int32Array<ArrayBuffer> {
  const numbers = room.length < length ? new Int32Array(2 * length) : room;
  return numbers.fill(value, 0, length);
}

/** Notes in `listed` the region on whose lists each slot is. */
function checkLists(region: Region, table: ObjectTable, listed: Int32Array): void {
  region.checkInvariants();
  if (region.inHands !== 0) assert.fail(`region ${region.id}: somebody holds an object that is to leave`);
  if (region.arriving !== 0) assert.fail(`region ${region.id}: space was taken that no object has`);
  for (let list = 0; list <= LIST_PINNED; list++) {
    for (let slot = region.lists.head(list); slot !== NONE; slot = table.listNext[slot]) {
      if (listed[slot] !== NONE) assert.fail(`slot ${slot} is on two lists`);
      listed[slot] = region.index;
    }
  }
}

function checkUse({ table, reservations }: Memory, slot: number): void {
  if (!reservations.isActive(slot)) {
    if (table.id[slot] === DYING_ID) assert.fail(`slot ${slot} is deleted and idle but still there`);
    if (table.active[slot] !== 0) assert.fail(`slot ${slot} counts work that has ended`);
  }
  if (table.locked[slot] !== 0) assert.fail(`slot ${slot} is locked although nothing is in progress`);
}

function checkWithoutBytes({ table, swap }: Memory, slot: number, listed: number): void {
  if (table.region[slot] !== NONE) assert.fail(`slot ${slot} has a region without bytes`);
  if (table.pinCount[slot] !== 0) assert.fail(`slot ${slot} is pinned without bytes`);
  if (listed !== NONE) assert.fail(`slot ${slot} is on a list without bytes`);
  if (table.state[slot] === RESIDENT) assert.fail(`slot ${slot} is RESIDENT without bytes`);
  if ((swap?.has(slot) === true) !== (table.state[slot] === SWAPPED))
    assert.fail(`slot ${slot}: swap and state do not agree`);
}

/** Answers the index of the region that has the bytes. */
function checkPlace({ table }: Memory, slot: number, listed: number): number {
  const region = table.region[slot];
  if (table.state[slot] !== RESIDENT) assert.fail(`slot ${slot} has bytes and is not RESIDENT`);
  if (listed !== region) assert.fail(`slot ${slot} is not on a list of its region`);
  const isPinned = table.pinCount[slot] > 0;
  if ((table.list[slot] % (LIST_PINNED + 1) === LIST_PINNED) !== isPinned)
    assert.fail(`slot ${slot} is on the wrong list`);
  return region;
}

/** What the objects of a region have of it. One record for all of them: this is most of the walk. */
class Taken {
  readonly #region: Region;
  /** By page: 1 where an object has it. */
  readonly #pages: Uint8Array<ArrayBuffer>;
  #objects = 0;
  #pinnedObjects = 0;
  #pinnedBytes = 0;
  #backupBytes = 0;
  #usedBytes = 0;
  #visibleBytes = 0;
  /** Of the object at hand: its extents, and where the last one ends. */
  #pieces = 0;
  #endBytes = 0;
  readonly #takeBlock = (offsetBytes: number, lengthBytes: number): void => {
    const { minPageBytes, visibleBytes, sizeBytes, id } = this.#region;
    const endBytes = offsetBytes + lengthBytes;
    const page = offsetBytes / minPageBytes;
    const endPage = Math.ceil(endBytes / minPageBytes);
    if (!Number.isInteger(page) || lengthBytes <= 0)
      assert.fail(`the block from ${offsetBytes} to ${endBytes} is empty or not page aligned`);
    if (endBytes > sizeBytes) assert.fail(`an extent ends beyond region ${id}`);
    for (let at = page; at < endPage; at++) {
      if (this.#pages[at] !== 0) assert.fail(`extents overlap in region ${id} at ${at * minPageBytes}`);
      this.#pages[at] = 1;
    }
    if (offsetBytes !== this.#endBytes || this.#pieces === 0) this.#pieces++;
    this.#endBytes = endBytes;
    this.#usedBytes += lengthBytes;
    this.#visibleBytes += Math.max(0, Math.min(visibleBytes, endBytes) - offsetBytes);
  };

  constructor(region: Region) {
    const count = Math.ceil(region.sizeBytes / region.minPageBytes);
    const room = scratch.pages[region.index];
    this.#region = region;
    this.#pages = room === undefined || room.length < count ? new Uint8Array(count) : room.fill(0, 0, count);
    scratch.pages[region.index] = this.#pages;
  }

  take(slot: number, table: ObjectTable): void {
    const region = this.#region;
    const sizeBytes = table.sizeBytes[slot];
    const before = this.#usedBytes;
    this.#objects++;
    if (table.pinCount[slot] > 0) {
      this.#pinnedObjects++;
      this.#pinnedBytes += sizeBytes;
    }
    if (table.has(slot, FLAG_BACKUP)) this.#backupBytes += sizeBytes;
    this.#pieces = 0;
    region.forEachBlock(table.resource[slot], this.#takeBlock);
    if (this.#pieces !== 1 && region.kind === "LOCAL" && table.has(slot, FLAG.CONTIGUOUS))
      assert.fail(`contiguous slot ${slot} has ${this.#pieces} extents`);
    const needed = Math.ceil(sizeBytes / region.minPageBytes) * region.minPageBytes;
    if (this.#usedBytes - before < needed) assert.fail(`the extents of slot ${slot} do not hold its size`);
  }

  /** Compares what was taken with what the region says. */
  check(): void {
    const region = this.#region;
    const used = this.#usedBytes + region.reservedBytes;
    this.#equal(used + region.freeBytes, region.sizeBytes, "used + free = size");
    this.#equal(this.#pinnedObjects, region.pinnedObjectCount, "pinned objects");
    this.#equal(this.#backupBytes, region.backupBytes, "bytes of backups");
    if (region.reservedBytes === 0)
      this.#equal(this.#visibleBytes + region.visibleFreeBytes, region.visibleBytes, "visible bytes");
    this.#equal(this.#pinnedBytes, region.pinnedBytes, "pinned bytes");
    this.#equal(this.#objects, region.objectCount, "object count");
  }

  #equal(found: number, expected: number, what: string): void {
    if (found !== expected) assert.equal(found, expected, `region ${this.#region.id}: ${what}`);
  }
}

/** @param ownerOf slot of the owner by slot of the backup, or NONE */
function checkBackups({ table, system }: Memory, ownerOf: Int32Array): void {
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    const owner = ownerOf[slot];
    const isBackup = table.id[slot] !== 0 && table.has(slot, FLAG_BACKUP);
    if (isBackup !== (owner !== NONE))
      assert.fail(
        isBackup ? `backup ${slot} has no owner` : `slot ${slot} is the backup of another and none`,
      );
    if (!isBackup) continue;
    if (table.sizeBytes[slot] !== table.sizeBytes[owner])
      assert.fail(`slot ${slot}, owner ${owner}: a backup has its owner's size`);
    const isGone = table.state[slot] === SWAPPED || table.state[slot] === UNKNOWN;
    if (table.region[slot] !== system.index && !isGone)
      assert.fail(`slot ${slot}: a backup is in system memory, swapped out, or was damaged there`);
  }
}
