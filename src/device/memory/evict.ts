/**
 * Eviction: unpinned objects leave a local region for system memory, least recently used first, in batches of
 * one copy job. The object keeps its content, and its LMEM is freed when every byte has arrived (drm
 * ttm_bo_evict).
 */
import { sleep } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import type { CopyPath, EvictionCause } from "../events.ts";
import { formatBytes } from "../format.ts";
import { MOVE_BATCH_BYTES, MOVE_BATCH_OBJECTS } from "../limits.ts";
import { copyChecked } from "./checked-copy.ts";
import { CopyList } from "./copier.ts";
import { PRIORITIES } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { NONE } from "./object-table.ts";
import { BUSY_RETRY_MS, Patience } from "./patience.ts";
import { placeTogether } from "./places.ts";
import type { Region } from "./region.ts";
import { moveResource, plainSpace, purge, putBackOnList, takeOffList } from "./residency.ts";
import { shrinkSystemMemory, useOfSystem } from "./shrink.ts";
import { count, emptyTally, type Tally } from "./tally.ts";

/** Objects that a batch holds: locked, on no list, still resident. */
export interface Victims {
  readonly slots: readonly number[];
  readonly bytes: number;
  /** Whether an evictable object was passed over because somebody else holds its lock. */
  readonly someBusy: boolean;
  /** Whether an object was passed over because a running request uses it. */
  readonly someActive: boolean;
}

/** The result of evicting a batch of victims. */
export interface Eviction extends Tally {
  /** Whether system memory had no room for all of them. */
  readonly exhausted: boolean;
  readonly purgedObjects: number;
  readonly purgedBytes: number;
}

export interface VictimOptions {
  readonly bytesWanted: number;
  /** Takes only objects with bytes in the visible window (i915_ttm_buddy_man_intersects). */
  readonly inWindow?: boolean;
  /** The object that the room is for. */
  readonly except?: number;
  /** Also counts as active the objects that accepted work will use later. */
  readonly sparesAwaited?: boolean;
}

/**
 * Takes the first evictable objects of a region, for the caller to move: as many as it wants, at most one
 * batch.
 */
export function collectVictims(memory: Memory, region: Region, options: VictimOptions): Victims {
  const inWindow = options.inWindow === true && region.hasSmallWindow;
  const { table, locks } = memory;
  const slots: number[] = [];
  let bytes = 0;
  let someBusy = false;
  let someActive = false;
  const bytesMax = Math.min(options.bytesWanted, MOVE_BATCH_BYTES);
  for (let priority = 0; priority < PRIORITIES; priority++) {
    let slot = region.lists.head(priority);
    while (slot !== NONE && bytes < bytesMax && slots.length < MOVE_BATCH_OBJECTS) {
      const next = table.listNext[slot];
      if (slot === options.except || (inWindow && region.visibleBytesOf(table.resource[slot]) === 0)) {
        // It may stay, because its place would not help.
      } else if (
        table.active[slot] > 0 ||
        (options.sparesAwaited === true && memory.reservations.isActive(slot))
      ) {
        // Step 1 is `idle_only`: the object can leave when the request that uses it has ended.
        someActive = true;
      } else if (locks.tryLock(slot)) {
        takeOffList(memory, slot);
        slots.push(slot);
        bytes += table.sizeBytes[slot];
      } else {
        someBusy = true;
      }
      slot = next;
    }
  }
  return { slots, bytes, someBusy, someActive };
}

/**
 * Moves victims to system memory and releases them; purges those that may be purged (ttm move of DONTNEED).
 * Victims without room stay in place, and `exhausted` says so.
 * @throws DeviceError if a copy failed. Then every victim of that copy stays in place.
 */
export async function evictVictims(
  memory: Memory,
  victims: Victims,
  cause: EvictionCause,
): Promise<Eviction> {
  const { table, system } = memory;
  const result = { ...emptyTally(), exhausted: false, purgedObjects: 0, purgedBytes: 0 };
  const needed = purgeUnneeded(memory, victims.slots, result);
  if (needed.length === 0) return result;
  const handles: number[] = [];
  // There is almost always room, and then a batch is assembled without a pause.
  if (!placeTogether(memory, { region: system, slots: needed, handles }))
    await placeSingly(memory, { slots: needed, handles }, cause);
  const moving = handles.length === needed.length ? needed : needed.slice(0, handles.length);
  if (moving.length < needed.length) {
    result.exhausted = true;
    for (const staying of needed.slice(moving.length).reverse()) giveBack(memory, staying);
    if (moving.length === 0) return result;
  }
  const list = new CopyList(moving.length);
  for (let at = 0; at < moving.length; at++) {
    const slot = moving[at];
    const from = memory.region(table.region[slot]);
    const space = { region: system, handle: handles[at] };
    list.addResource({ region: from, handle: table.resource[slot] }, space, table.sizeBytes[slot]);
  }
  let path: CopyPath;
  try {
    path = await copyChecked(memory, list);
  } catch (error) {
    for (const handle of handles) system.giveUp(handle);
    for (const slot of moving.toReversed()) giveBack(memory, slot);
    throw error;
  }
  for (let at = 0; at < moving.length; at++) {
    moveResource(memory, moving[at], { region: system, handle: handles[at] });
    memory.locks.unlock(moving[at]);
  }
  count(result, path, { objects: moving.length, bytes: list.totalBytes });
  memory.services.emit({ type: "evicted", cause, path, objects: moving.length, bytes: list.totalBytes });
  return result;
}

/** Purges and releases the victims that nobody needs. Returns the others. */
function purgeUnneeded(
  memory: Memory,
  slots: readonly number[],
  result: { purgedObjects: number; purgedBytes: number },
): readonly number[] {
  const { table } = memory;
  if (!slots.some((slot) => table.dontNeed[slot] === 1)) return slots;
  return slots.filter((slot) => {
    if (table.dontNeed[slot] === 0) return true;
    result.purgedObjects++;
    result.purgedBytes += table.sizeBytes[slot];
    purge(memory, slot);
    memory.services.emit({ type: "purged", objects: 1, bytes: table.sizeBytes[slot] });
    memory.locks.unlock(slot);
    return false;
  });
}

/** Finds places for the rest one by one, making room. Stops at the first victim without room. */
async function placeSingly(
  memory: Memory,
  { slots, handles }: { readonly slots: readonly number[]; readonly handles: number[] },
  cause: EvictionCause,
): Promise<void> {
  while (handles.length < slots.length) {
    // A holder of space that waited for others' space could wait for somebody who waits for its own.
    const isFirst = handles.length === 0;
    const wait = { forArrivals: isFirst, forUse: isFirst && cause !== "suspend" };
    const handle = await allocateSystem(memory, memory.table.sizeBytes[slots[handles.length]], wait);
    if (handle === NONE) return;
    handles.push(handle);
  }
}

/** What to wait for if no object can leave at once. */
export interface SystemWait {
  /** Space that others are filling. Once it belongs to an object, that object can be swapped out. */
  readonly forArrivals: boolean;
  /** Objects that commands hold or work uses, for a bounded time. */
  readonly forUse: boolean;
}

/** Allocates plain space in system memory, after shrinking it if necessary. NONE if it is full. */
export async function allocateSystem(
  memory: Memory,
  sizeBytes: number,
  { forArrivals, forUse }: SystemWait,
): Promise<number> {
  const { system } = memory;
  const request = plainSpace(sizeBytes);
  const patience = new Patience(system);
  for (;;) {
    const handle = system.allocate(request);
    if (handle !== NONE) return handle;
    if ((await shrinkSystemMemory(memory, sizeBytes)) > 0) continue;
    // Others are swapping objects out or bringing some in. Only when that has ended is memory known to be
    // full.
    const isMoving = system.inHands > 0 || (forArrivals && system.arriving > 0);
    const isInUse = !isMoving && forUse ? useOfSystem(memory) : undefined;
    if (!isMoving && (isInUse === undefined || !patience.allows(isInUse))) return NONE;
    await sleep(memory.services.clock, BUSY_RETRY_MS);
  }
}

/** Gives back all victims but the first `count`. */
export function keepFirst(memory: Memory, victims: Victims, count: number): Victims {
  if (count === victims.slots.length) return victims;
  for (const slot of victims.slots.slice(count).reverse()) giveBack(memory, slot);
  return { ...victims, slots: victims.slots.slice(0, count) };
}

function giveBack(memory: Memory, slot: number): void {
  putBackOnList(memory, slot);
  memory.locks.unlock(slot);
}

/** The error of an eviction or backup without room in system memory, or without memory of the machine. */
export function noSystemMemory(memory: Memory, what: string): DeviceError {
  return memory.system.shortOfMachine ? machineExhausted(memory, what) : systemMemoryExhausted(memory, what);
}

/**
 * The error of an operation that would touch more memory than the machine, or the limit of the process, has
 * left.
 */
export function machineExhausted({ system }: Memory, what: string): DeviceError {
  const spareBytes = Math.max(0, system.bank.spareBytes);
  return new DeviceError(
    "MACHINE_MEMORY_EXHAUSTED",
    `The machine, or the memory limit of the daemon, has ${formatBytes(spareBytes)} left for devices, ` +
      `which is not enough for ${what}.`,
    { availableBytes: String(spareBytes) },
  );
}

/** The error of an eviction or backup without room in system memory. */
export function systemMemoryExhausted(memory: Memory, what: string): DeviceError {
  const { system } = memory;
  return new DeviceError(
    "SYSTEM_MEMORY_EXHAUSTED",
    `System memory (${formatBytes(system.sizeBytes)}) has ${formatBytes(system.freeBytes)} free, ` +
      `which is not enough for ${what}.`,
    { region: system.id, availableBytes: String(system.freeBytes) },
  );
}
