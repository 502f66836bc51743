/** What is broken is found: damage done to the tables of a device, one thing at a time, by the walk that looks for it. */
import { beforeEach, describe, expect, test } from "vitest";
import { RESIDENT, UNPOPULATED } from "../../../src/device/backing-state.ts";
import type { Memory } from "../../../src/device/memory/memory.ts";
import { DYING_ID, FLAG_BACKUP } from "../../../src/device/memory/object-table.ts";
import { bootVirtual, create, KIB, MIB, patternOf, type VirtualDevice } from "../../support/test-device.ts";

interface Damaged {
  readonly memory: Memory;
  /** Slots: two objects in local memory, one of them pinned; one in system memory; one without bytes. */
  readonly local: number;
  readonly pinned: number;
  readonly system: number;
  readonly empty: number;
}

type Damage = (device: Damaged) => void;

let gpu: VirtualDevice;
let device: Damaged;

beforeEach(async () => {
  gpu = await bootVirtual({ lmem: [{ sizeBytes: 4 * MIB }], smem: { sizeBytes: 4 * MIB } });
  const { memory } = gpu.device;
  const upload = async (regions: string[]): Promise<string> =>
    gpu.upload(patternOf(1, 100 * KIB), { regions });
  const ids = [await upload(["lmem0"]), await upload(["lmem0"]), await upload(["smem"]), await create(gpu)];
  await gpu.execute({ type: "pinObject", object: ids[1] });
  const [local, pinned, system, empty] = ids.map((id) => memory.findObject(id));
  device = { memory, local, pinned, system, empty };
});

describe("a device that nothing is wrong with", () => {
  test("passes, again and again", () => {
    gpu.device.checkInvariants();
    gpu.device.checkInvariants();
  });

  test("passes when another device was looked at before, of other sizes and with more objects", async () => {
    const other = await bootVirtual({ lmem: [{ sizeBytes: 16 * MIB }, { sizeBytes: MIB }] });
    for (let count = 0; count < 40; count++) await other.upload(patternOf(count, 64 * KIB));
    other.device.checkInvariants();
    gpu.device.checkInvariants();
    other.device.checkInvariants();
  });
});

describe("the walk over all invariants finds", () => {
  const damages: readonly (readonly [string, RegExp, Damage])[] = [
    [
      "two objects with the same bytes",
      /overlap/,
      ({ memory, local, pinned }) => {
        memory.table.resource[local] = memory.table.resource[pinned];
      },
    ],
    [
      "an object that is larger than its extents",
      /do not hold its size/,
      ({ memory, local }) => {
        memory.table.sizeBytes[local] += 4 * MIB;
      },
    ],
    [
      "bytes that nobody has",
      /used \+ free/,
      ({ memory, local }) => {
        const { table } = memory;
        memory.region(table.region[local]).lists.remove(local);
        table.region[local] = -1;
        table.resource[local] = -1;
        table.state[local] = UNPOPULATED;
      },
    ],
    [
      "a pin that its region does not count",
      /wrong list/,
      ({ memory, local }) => {
        memory.table.pinCount[local] = 1;
      },
    ],
    [
      "pinned bytes that are not",
      /pinned bytes/,
      ({ memory }) => {
        memory.regions[1].pinnedBytes += 4096;
      },
    ],
    [
      "pinned objects that are not",
      /pinned objects/,
      ({ memory }) => {
        memory.regions[1].pinnedObjectCount++;
      },
    ],
    [
      "objects that are not",
      /object count/,
      ({ memory }) => {
        memory.regions[0].objectCount--;
      },
    ],
    [
      "bytes of backups that are not",
      /bytes of backups/,
      ({ memory }) => {
        memory.regions[0].backupBytes = 4096;
      },
    ],
    [
      "an object on no list",
      /not on a list/,
      ({ memory, system }) => {
        memory.region(memory.table.region[system]).lists.remove(system);
      },
    ],
    [
      "an object on the list of another region",
      /not on a list/,
      ({ memory, system }) => {
        memory.table.region[system] = 1;
      },
    ],
    [
      "an object that is RESIDENT without bytes",
      /RESIDENT without bytes/,
      ({ memory, empty }) => {
        memory.table.state[empty] = RESIDENT;
      },
    ],
    [
      "an object that has bytes and is not RESIDENT",
      /is not RESIDENT/,
      ({ memory, local }) => {
        memory.table.state[local] = UNPOPULATED;
      },
    ],
    [
      "a pin without bytes",
      /pinned without bytes/,
      ({ memory, empty }) => {
        memory.table.pinCount[empty] = 1;
      },
    ],
    [
      "a region without bytes",
      /region without bytes/,
      ({ memory, empty }) => {
        memory.table.region[empty] = 0;
      },
    ],
    [
      "a lock that nobody holds",
      /is locked/,
      ({ memory, empty }) => {
        memory.table.locked[empty] = 1;
      },
    ],
    [
      "work that has ended",
      /counts work/,
      ({ memory, local }) => {
        memory.table.active[local] = 1;
      },
    ],
    [
      "a deleted object that is still there",
      /still there/,
      ({ memory, empty }) => {
        memory.table.id[empty] = DYING_ID;
      },
    ],
    [
      "an object that nobody counts",
      /live objects/,
      ({ memory }) => {
        memory.table.count--;
      },
    ],
    [
      "a mover that never let go",
      /somebody holds/,
      ({ memory }) => {
        memory.regions[1].inHands = 1;
      },
    ],
    [
      "a backup without an owner",
      /has no owner/,
      ({ memory, empty }) => {
        memory.table.flags[empty] |= FLAG_BACKUP;
      },
    ],
    [
      "an owner whose backup is none",
      /is the backup of another/,
      ({ memory, local, empty }) => {
        memory.table.backup[local] = empty;
      },
    ],
    [
      "a backup with two owners",
      /two owners/,
      ({ memory, local, pinned, empty }) => {
        memory.table.flags[empty] |= FLAG_BACKUP;
        memory.table.backup[local] = empty;
        memory.table.backup[pinned] = empty;
      },
    ],
    [
      "a backup that is smaller than its owner",
      /owner's size/,
      ({ memory, local, empty }) => {
        memory.table.flags[empty] |= FLAG_BACKUP;
        memory.table.backup[local] = empty;
      },
    ],
  ];

  test.each(damages)("%s", (_what, sentence, damage) => {
    gpu.device.checkInvariants();
    damage(device);
    expect(() => gpu.device.checkInvariants()).toThrow(sentence);
  });
});
