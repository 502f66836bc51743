/**
 * The walks of suspend (drm/i915 i915_gem_ttm_pm.c, i915_ttm_backup_region): evict the evictable objects,
 * back up the pinned ones. The specification's decision table has the tests that each object passes, in
 * order.
 */
import { DeviceError, toDeviceError } from "../errors.ts";
import type { CopyPath } from "../events.ts";
import type { FailpointName } from "../failpoints.ts";
import { MOVE_BATCH_BYTES, MOVE_BATCH_OBJECTS, OBJECTS_MAX, WALK_SLICE_OBJECTS } from "../limits.ts";
import { copyByCpu, copyChecked } from "../memory/checked-copy.ts";
import { CopyList } from "../memory/copier.ts";
import {
  allocateSystem,
  collectVictims,
  evictVictims,
  keepFirst,
  noSystemMemory,
  type Victims,
} from "../memory/evict.ts";
import { LIST_PINNED, PRIORITIES } from "../memory/lists.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, FLAG_BACKUP, NONE } from "../memory/object-table.ts";
import { pipelined } from "../memory/pipeline.ts";
import type { Region } from "../memory/region.ts";
import { bindResource, dropResource } from "../memory/residency.ts";
import { addTally, count } from "../memory/tally.ts";
import type { PhaseCounts, Transition } from "./transition.ts";
import type { WorkingMemory } from "./working-memory.ts";

/** What a walk works on, the transition that it belongs to, and its counts. */
export interface Walk extends WorkingMemory {
  readonly transition: Transition;
  readonly counts: PhaseCounts;
}

/** Backups made before they are needed, by owner. */
export type PreallocatedBackups = Map<number, number>;

/**
 * Steps 1 and 2a: moves every evictable object of every local region to system memory. Returns whether some
 * stayed because work uses them. `beforeMove` sees the objects that leave before they move. With it, an
 * object that accepted work will use stays.
 */
export async function evictRegions(
  walk: Walk,
  failpoint: "evict.object" | "evictPinned.object",
  beforeMove?: (slots: readonly number[]) => Promise<void>,
): Promise<boolean> {
  const { memory, services, counts } = walk;
  let someActive = false;
  for (const region of memory.localRegions) {
    // An object that has just arrived in system memory may be purged for the next one. So only a walk in
    // which no object could leave proves that there is no room.
    for (let left = await evictRegion(region); left.exhausted; left = await evictRegion(region)) {
      if (left.objects > 0) continue;
      throw noSystemMemory(memory, `what is left to evict from region ${region.id}`);
    }
  }
  return someActive;

  async function evictRegion(region: Region): Promise<{ objects: number; exhausted: boolean }> {
    const moved = { objects: 0, exhausted: false };
    const check = (): void => walk.transition.check();
    const noteActive = (): void => {
      someActive = true;
    };
    const options = { sparesAwaited: beforeMove !== undefined, noteActive };
    const batches = victimBatches(walk, region, options);
    await pipelined(services.clock, whileThereIsRoom(batches, moved), async (victims) => {
      const { passed, failure } = await passing(walk, victims.slots, { failpoint, check });
      const leaving = keepFirst(memory, victims, passed);
      await beforeMove?.(leaving.slots);
      const tally = await evictVictims(memory, leaving, "suspend");
      addTally(counts.evicted, tally);
      moved.objects += tally.objects + tally.purgedObjects;
      moved.exhausted ||= tally.exhausted;
      if (failure !== undefined) throw failure;
    });
    return moved;
  }
}

/**
 * An object that stayed for want of room is first in line again, so a walk that continued would never end.
 */
function* whileThereIsRoom(
  batches: Iterable<Victims>,
  moved: { readonly exhausted: boolean },
): Generator<Victims> {
  for (const victims of batches) {
    yield victims;
    if (moved.exhausted) return;
  }
}

function* victimBatches(
  { memory, transition }: Walk,
  region: Region,
  options: { readonly sparesAwaited: boolean; readonly noteActive: () => void },
): Generator<Victims> {
  for (;;) {
    transition.check();
    const victims = collectVictims(memory, region, { ...options, bytesWanted: MOVE_BATCH_BYTES });
    if (victims.someActive) options.noteActive();
    if (victims.slots.length === 0) return;
    yield victims;
  }
}

/**
 * How many of these objects pass a failpoint, and the error that stopped the next one. `check` can throw it
 * too.
 */
export async function passing(
  { services: { failpoints } }: WorkingMemory,
  slots: readonly number[],
  { failpoint, check }: { readonly failpoint: FailpointName; readonly check: () => void },
): Promise<{ passed: number; failure: unknown }> {
  if (failpoints.idle) return { passed: slots.length, failure: undefined };
  for (let passed = 0; passed < slots.length; passed++) {
    try {
      // A failpoint that delays each object must not keep the transition running beyond its end.
      check();
      await failpoints.pass(failpoint);
    } catch (failure) {
      return { passed, failure };
    }
  }
  return { passed: slots.length, failure: undefined };
}

/**
 * `pinned`: step 2b, pinned objects that the blitter itself does not need. `remaining`: step 3, all others.
 */
export type BackupStep = "pinned" | "remaining";

/** Steps 2b and 3: copies pinned objects to backups in system memory. Step 3 never uses the blitter. */
export async function backUpRegions(
  walk: Walk,
  step: BackupStep,
  preallocated: PreallocatedBackups,
): Promise<void> {
  const { memory, services, transition, counts } = walk;
  for (const region of memory.localRegions) {
    await pipelined(services.clock, ownerBatches(walk, region, step), async (batch) => {
      const failpoint = step === "remaining" ? "memcpy.object" : "evictPinned.object";
      const check = (): void => transition.check();
      const { passed, failure } = await passing(walk, batch, { failpoint, check });
      let owners = batch.slice(0, passed);
      while (owners.length > 0) {
        const { path, bytes, objects } = await backUp(walk, owners, { step, preallocated });
        count(counts.backedUp, path, { objects, bytes });
        owners = owners.slice(objects);
      }
      if (failure !== undefined) throw failure;
    });
  }
}

async function* ownerBatches(walk: Walk, region: Region, step: BackupStep): AsyncGenerator<number[]> {
  const { memory, services, transition } = walk;
  const { table } = memory;
  const firstList = step === "remaining" ? 0 : LIST_PINNED;
  let owners: number[] = [];
  let bytes = 0;
  let looked = 0;
  for (let list = firstList; list <= PRIORITIES; list++) {
    for (let slot = region.lists.head(list); slot !== NONE; slot = table.listNext[slot]) {
      if (++looked % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
      const decision = decide(memory, slot, step);
      if (decision === "volatile") noteVolatile(walk, slot);
      if (decision !== "back-up") continue;
      owners.push(slot);
      bytes += table.sizeBytes[slot];
      if (owners.length < MOVE_BATCH_OBJECTS && bytes < MOVE_BATCH_BYTES) continue;
      transition.check();
      yield owners;
      owners = [];
      bytes = 0;
    }
  }
  transition.check();
  if (owners.length > 0) yield owners;
}

/** One object in one step (i915_ttm_backup, in its order of tests; eviction has been tried before). */
export function decide(memory: Memory, slot: number, step: BackupStep): "skip" | "volatile" | "back-up" {
  const { table } = memory;
  if (table.backup[slot] !== NONE) return "skip";
  const pinned = table.pinCount[slot] > 0;
  if (step === "pinned" && table.has(slot, FLAG.PM_EARLY)) return "skip";
  if (pinned && table.has(slot, FLAG.PM_VOLATILE)) return step === "remaining" ? "volatile" : "skip";
  return "back-up";
}

function noteVolatile({ memory, services, counts }: Walk, slot: number): void {
  counts.skippedVolatile++;
  services.emit({ type: "skippedVolatile", objects: 1, bytes: memory.table.sizeBytes[slot] });
}

/**
 * Backs up the first of these owners, all of them if there is room. Either all of them get their backups,
 * once every byte has arrived, or none does. Finished backups can be swapped out to make room for the rest.
 */
async function backUp(
  work: WorkingMemory,
  owners: readonly number[],
  { step, preallocated }: { readonly step: BackupStep; readonly preallocated: PreallocatedBackups },
): Promise<{ path: CopyPath; bytes: number; objects: number }> {
  const { memory } = work;
  const { table, system } = memory;
  const list = new CopyList();
  const backups: number[] = [];
  try {
    for (const owner of owners) {
      const backup = preallocated.get(owner) ?? (await createBackup(work, owner));
      preallocated.delete(owner);
      if (backup === NONE && backups.length > 0) break;
      if (backup === NONE) throw noSystemMemory(memory, `a backup of object ${memory.idOf(owner)}`);
      backups.push(backup);
      const from = memory.region(table.region[owner]);
      list.addResource(
        { region: from, handle: table.resource[owner] },
        { region: system, handle: table.resource[backup] },
        table.sizeBytes[owner],
      );
    }
    const path = await (step === "remaining" ? copyByCpu : copyChecked)(memory, list);
    backups.forEach((backup, at) => {
      table.backup[owners[at]] = backup;
      memory.locks.unlock(backup);
      memory.touch(owners[at]);
    });
    return { path, bytes: list.totalBytes, objects: backups.length };
  } catch (error) {
    for (const backup of backups) destroyBackup(memory, backup);
    throw toDeviceError(error);
  }
}

/**
 * Makes the backups of pinned objects while the device may still swap system memory for them
 * (xe_bo_notifier_prepare). Stops at the first that finds no room; the step that needs it tries again.
 */
export async function preallocateBackups(
  work: WorkingMemory,
  preallocated: PreallocatedBackups,
): Promise<void> {
  const { memory, services } = work;
  const { table } = memory;
  let looked = 0;
  for (const region of memory.localRegions) {
    for (let slot = region.lists.head(LIST_PINNED); slot !== NONE; slot = table.listNext[slot]) {
      if (++looked % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
      if (decide(memory, slot, "remaining") !== "back-up") continue;
      const backup = await createBackup(work, slot);
      if (backup === NONE) throw noSystemMemory(memory, `a backup of object ${memory.idOf(slot)}`);
      preallocated.set(slot, backup);
    }
  }
}

/** Frees the unused backups: their owners were unpinned, or the suspend ended before it needed them. */
export function dropPreallocated(memory: Memory, preallocated: PreallocatedBackups): void {
  for (const backup of preallocated.values()) destroyBackup(memory, backup);
  preallocated.clear();
}

/**
 * Makes a backup object of the owner's size in system memory. It is locked, so it is not swapped out before
 * it has its bytes. Returns NONE if there is no room.
 * @throws DeviceError LIMIT_EXCEEDED.
 */
async function createBackup({ memory, services }: WorkingMemory, owner: number): Promise<number> {
  const { table, system } = memory;
  const sizeBytes = table.sizeBytes[owner];
  const backup = memory.addObject({
    sizeBytes,
    regions: [system.index],
    flags: FLAG.KERNEL | FLAG_BACKUP,
    alignmentBytes: 0,
    label: "",
  });
  if (backup === NONE) {
    throw new DeviceError(
      "LIMIT_EXCEEDED",
      `The device holds ${OBJECTS_MAX} objects, the most that it can, and the backup of object ` +
        `${memory.idOf(owner)} would be one more.`,
      { limit: String(OBJECTS_MAX) },
    );
  }
  try {
    await services.failpoints.pass("backup.allocate");
  } catch (error) {
    memory.removeObject(backup);
    throw error;
  }
  const handle = await allocateSystem(memory, sizeBytes, { forArrivals: true, forUse: false });
  if (handle === NONE) {
    memory.removeObject(backup);
    return NONE;
  }
  bindResource(memory, backup, { region: system, handle });
  memory.locks.tryLock(backup);
  return backup;
}

/** Frees a backup object whose lock the caller holds. Its owner must not point to it any more. */
export function destroyBackup(memory: Memory, backup: number): void {
  if (memory.table.resource[backup] !== NONE) dropResource(memory, backup);
  memory.swap?.discard(backup);
  memory.removeObject(backup);
  memory.locks.unlock(backup);
}
