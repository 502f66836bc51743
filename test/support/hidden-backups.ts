/** Backups out of the sight of a resume: for tests which prove that the steps that restore them matter. */
import type { AssembledDevice } from "../../src/device/device.ts";
import { FLAG, NONE } from "../../src/device/memory/object-table.ts";
import { destroyBackup } from "../../src/device/power/backup.ts";

/** Hides the backups that a resume restores before the GT runs. Answers what puts them back. Legal when suspended. */
export function hideEarlyBackups({ memory }: AssembledDevice): () => void {
  const { table } = memory;
  const hidden = ownersOf(memory, true).map((owner) => ({ owner, backup: table.backup[owner] }));
  for (const { owner } of hidden) table.backup[owner] = NONE;
  return () => {
    for (const { owner, backup } of hidden) table.backup[owner] = backup;
  };
}

/** Throws away the backups that a resume restores when the GT runs. Legal when suspended. */
export function dropLateBackups({ memory }: AssembledDevice): void {
  const { table } = memory;
  for (const owner of ownersOf(memory, false)) {
    const backup = table.backup[owner];
    table.backup[owner] = NONE;
    memory.locks.tryLock(backup);
    destroyBackup(memory, backup);
  }
}

function ownersOf(memory: AssembledDevice["memory"], early: boolean): number[] {
  const { table } = memory;
  return memory.localRegions
    .flatMap((region) => [...region.lists.all()])
    .filter((slot) => table.backup[slot] !== NONE && table.has(slot, FLAG.PM_EARLY) === early);
}
