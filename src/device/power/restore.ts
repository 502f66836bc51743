/**
 * Copies backups back to their owners' places (i915_ttm_restore_region), or drops them if the suspend was
 * undone (i915_ttm_recover_region). A backup that could not be restored stays attached.
 */

import assert from "node:assert/strict";
import { MOVE_BATCH_BYTES, MOVE_BATCH_OBJECTS, WALK_SLICE_OBJECTS } from "../limits.ts";
import { copyByCpu, copyChecked } from "../memory/checked-copy.ts";
import { CopyList } from "../memory/copier.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { pipelined } from "../memory/pipeline.ts";
import type { Region } from "../memory/region.ts";
import { loseContent } from "../memory/residency.ts";
import { count, type Tally } from "../memory/tally.ts";
import { destroyBackup, passing } from "./backup.ts";
import { populateBackup } from "./populate-backup.ts";
import type { WorkingMemory } from "./working-memory.ts";

/** `early`: PM_EARLY objects, by CPU, before the GT runs. `late`: all others, by blitter. */
export type RestoreStep = "early" | "late";

export interface RestoreOptions {
  readonly step: RestoreStep;
  /** Counts what was restored. */
  readonly tally: Tally;
  /** Called for each batch. Throws to stop the resume. */
  readonly check: () => void;
}

/**
 * Restores backups and frees them. Stops at the first failure. Backups that it did not reach stay attached.
 */
export async function restoreRegions(
  work: WorkingMemory,
  { step, tally, check }: RestoreOptions,
): Promise<void> {
  const { memory, services } = work;
  const lost: number[] = [];
  for (const region of memory.localRegions) {
    await pipelined(services.clock, ownerBatches(work, region, step), async (batch) => {
      check();
      const failpoint = step === "early" ? "restoreEarly.object" : "restoreLate.object";
      const begun = await passing(work, batch, { failpoint, check });
      const ready = await passing(work, batch.slice(0, begun.passed), {
        failpoint: "restore.populate",
        check,
      });
      const failure = ready.failure ?? begun.failure;
      await restoreBatch(work, batch.slice(0, ready.passed), { region, step, tally, lost });
      if (failure !== undefined) throw failure;
    });
  }
  // Not before the walks have ended: what is given up leaves the lists that they follow.
  for (const owner of lost) {
    await memory.locks.lock(memory.table.backup[owner]);
    loseContent(memory, owner);
    dropLocked(memory, owner);
  }
}

/** One batch of a walk: from which region, in which step, where it counts, and whose bytes swap has lost. */
interface Batch {
  readonly region: Region;
  readonly step: RestoreStep;
  readonly tally: Tally;
  readonly lost: number[];
}

/** Copies the backups of a batch to their owners and frees them. Those that it could not stay attached. */
async function restoreBatch(
  { memory, services }: WorkingMemory,
  owners: readonly number[],
  { region, step, tally, lost }: Batch,
): Promise<void> {
  const { table, system, locks } = memory;
  const held = new Set<number>();
  try {
    const list = new CopyList();
    const restored: number[] = [];
    for (const owner of owners) {
      const backup = table.backup[owner];
      await locks.lock(backup);
      held.add(backup);
      const whence = await populateBackup({ memory, services }, owner);
      (whence === "lost" ? lost : restored).push(owner);
      if (whence !== "system") continue;
      list.addResource(
        { region: system, handle: table.resource[backup] },
        { region, handle: table.resource[owner] },
        table.sizeBytes[owner],
      );
    }
    const path = await (step === "early" ? copyByCpu : copyChecked)(memory, list);
    for (const owner of restored) {
      await services.failpoints.pass("backup.free");
      held.delete(table.backup[owner]);
      dropLocked(memory, owner);
    }
    count(tally, path, { objects: restored.length, bytes: sizeOf(memory, restored) });
  } finally {
    for (const backup of held) locks.unlock(backup);
  }
}

function sizeOf({ table }: Memory, slots: readonly number[]): number {
  return slots.reduce((sum, slot) => sum + table.sizeBytes[slot], 0);
}

/**
 * Drops every backup. The originals never moved, so nothing needs copying. Idempotent. With `surely` it
 * passes no failpoint, because the next resume would mistake a remaining backup for a new one.
 */
export async function recoverRegions(work: WorkingMemory, surely = false): Promise<void> {
  const { memory, services } = work;
  for (const region of memory.localRegions) {
    for await (const owners of ownerBatches(work, region, "all")) {
      for (const owner of owners) {
        if (!surely) {
          await services.failpoints.pass("recover.object");
          await services.failpoints.pass("backup.free");
        }
        await memory.locks.lock(memory.table.backup[owner]);
        dropLocked(memory, owner);
      }
    }
  }
}

/** Objects that have a backup now: how many, and the ids of the first few. */
export async function remainingBackups(
  work: WorkingMemory,
  namesMax: number,
): Promise<{ readonly count: number; readonly ids: readonly string[] }> {
  const { memory } = work;
  let count = 0;
  const ids: string[] = [];
  for (const region of memory.localRegions) {
    for await (const owners of ownerBatches(work, region, "all")) {
      count += owners.length;
      for (const owner of owners.slice(0, namesMax - ids.length)) ids.push(memory.idOf(owner));
    }
  }
  return { count, ids };
}

/** Asserts that no object has a backup, as on every ACTIVE device. */
export async function requireNoBackups(work: WorkingMemory): Promise<void> {
  const { count } = await remainingBackups(work, 0);
  assert.equal(count, 0, "an ACTIVE device has no backup attached");
}

/** Takes a backup, whose lock the caller holds, from its owner. */
function dropLocked(memory: Memory, owner: number): void {
  const backup = memory.table.backup[owner];
  memory.table.backup[owner] = NONE;
  memory.touch(owner);
  destroyBackup(memory, backup);
}

async function* ownerBatches(
  { memory, services }: WorkingMemory,
  region: Region,
  step: RestoreStep | "all",
): AsyncGenerator<readonly number[]> {
  const { table } = memory;
  let owners: number[] = [];
  let bytes = 0;
  let looked = 0;
  // Only resident objects have backups, and these stay on their lists while no command runs.
  for (const slot of region.lists.all()) {
    if (++looked % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
    if (table.backup[slot] === NONE) continue;
    if (step === "early" && !table.has(slot, FLAG.PM_EARLY)) continue;
    owners.push(slot);
    bytes += table.sizeBytes[slot];
    if (owners.length < MOVE_BATCH_OBJECTS && bytes < MOVE_BATCH_BYTES) continue;
    yield owners;
    owners = [];
    bytes = 0;
  }
  if (owners.length > 0) yield owners;
}
