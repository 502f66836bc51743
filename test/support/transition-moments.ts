/** What a device is like at one moment of a transition, seen from under the covers: what the rules are about. */

import { UNKNOWN } from "../../src/device/backing-state.ts";
import type { AssembledDevice } from "../../src/device/device.ts";
import { LIST_PINNED } from "../../src/device/memory/lists.ts";
import { DYING_ID, FLAG, FLAG_BACKUP, NONE } from "../../src/device/memory/object-table.ts";
import type { PhaseRecord } from "../../src/device/mod.ts";

/** One object that is no backup. */
export interface SeenObject {
  readonly kind: "LOCAL" | "SYSTEM" | "STOLEN" | "NOWHERE";
  readonly pinned: boolean;
  readonly early: boolean;
  /** PM_VOLATILE. */
  readonly volatile: boolean;
  readonly dontNeed: boolean;
  readonly client: boolean;
  /** Work uses it now. */
  readonly active: boolean;
  readonly hasBackup: boolean;
  /** UNKNOWN: its content has been given up, and its pins with it. */
  readonly lost: boolean;
  /** Region and extents. */
  readonly place: string;
}

export interface Moment {
  /** By id. */
  readonly objects: ReadonlyMap<string, SeenObject>;
  readonly backups: number;
  /** Deleted, but still there because work uses them. */
  readonly dying: number;
  readonly blitter: boolean;
  readonly wedged: boolean;
  readonly powered: boolean;
  /** Whether no request waits or runs. */
  readonly idle: boolean;
  readonly systemUsedBytes: number;
}

/** The end of a phase, however it ended. */
export interface PhaseEnd {
  readonly phase: PhaseRecord;
  readonly moment: Moment;
}

export function momentOf({ memory, gt }: AssembledDevice): Moment {
  const { table, system } = memory;
  const objects = new Map<string, SeenObject>();
  let backups = 0;
  let dying = 0;
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if (table.id[slot] === 0) continue;
    if (table.has(slot, FLAG_BACKUP)) backups++;
    else if (table.id[slot] === DYING_ID) dying++;
    else objects.set(memory.idOf(slot), seen(slot));
  }
  return {
    objects,
    backups,
    dying,
    blitter: memory.blitter !== undefined,
    wedged: gt.wedged,
    powered: gt.powered,
    idle: gt.scheduler.idle,
    systemUsedBytes: system.sizeBytes - system.freeBytes,
  };

  function seen(slot: number): SeenObject {
    const region = table.region[slot] === NONE ? undefined : memory.region(table.region[slot]);
    const extents = region?.extents(table.resource[slot]) ?? [];
    return {
      kind: region?.kind ?? "NOWHERE",
      pinned: table.list[slot] !== NONE && table.list[slot] % (LIST_PINNED + 1) === LIST_PINNED,
      early: table.has(slot, FLAG.PM_EARLY),
      volatile: table.has(slot, FLAG.PM_VOLATILE),
      dontNeed: table.dontNeed[slot] === 1,
      client: !table.has(slot, FLAG.KERNEL),
      active: table.active[slot] > 0,
      hasBackup: table.backup[slot] !== NONE,
      lost: table.state[slot] === UNKNOWN,
      place: `${region?.id}:${extents.map((each) => `${each.offsetBytes}+${each.lengthBytes}`).join()}`,
    };
  }
}
