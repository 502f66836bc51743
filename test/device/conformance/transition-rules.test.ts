/** The rules that watched devices are held to see what breaks them; and what only can be seen in the middle of a step. */
import { describe, expect, test } from "vitest";
import { NONE } from "../../../src/device/memory/object-table.ts";
import type { DeviceFailpoints, FailpointName, PhaseName } from "../../../src/device/mod.ts";
import { bootVirtual, KIB, MIB, patternOf, type VirtualDevice } from "../../support/test-device.ts";
import { momentOf, type SeenObject } from "../../support/transition-moments.ts";
import { bootWatched, type WatchedDevice } from "../../support/transition-rules.ts";

describe("the rules see", () => {
  test.each<[string, PhaseName, string, (device: WatchedDevice) => void]>([
    [
      "a blitter after step 3",
      "memcpy",
      "14",
      ({ gpu }) => {
        gpu.device.memory.blitter = gpu.device.memory.cpuCopier;
      },
    ],
    ["a backup that is forgotten", "evict_pinned", "17", ({ gpu }) => forgetBackup(gpu)],
    ["an object that is lost", "evict_pinned", "34, 36", ({ gpu }) => loseObject(gpu)],
    [
      "a GT that is wedged after a resume",
      "release",
      "45",
      ({ gpu }) => {
        gpu.device.gt.wedged = true;
      },
    ],
  ])("%s", async (_what, after, rule, breakIt) => {
    let done = false;
    const watched: WatchedDevice = await bootWatched({
      emit: (event) => {
        if (done || event.type !== "phaseEnded" || event.phase.phase !== after) return;
        done = true;
        breakIt(watched);
      },
    });
    const { gpu, rules } = watched;
    const object = await gpu.upload(patternOf(1, 64 * KIB));
    await gpu.execute({ type: "pinObject", object });
    await gpu.upload(patternOf(2, 64 * KIB));
    await gpu.execute({ type: "suspend", state: "S3" });
    if (after === "release") await gpu.execute({ type: "resume" });
    expect(done).toBe(true);
    expect(rules.broken.map((broken) => broken.replace(/^.*\): |:.*$/g, ""))).toContain(rule);
  });
});

test("[invariant 19] each step of a suspend ends one local region before it begins the next", async () => {
  const seen = new Map<FailpointName, { first: number; second: number }[]>();
  const left = new Map<FailpointName, (object: SeenObject) => boolean>([
    ["evict.object", (object) => !object.pinned],
    [
      "evictPinned.object",
      ({ pinned, early, volatile, hasBackup }) => pinned && !early && !volatile && !hasBackup,
    ],
    ["memcpy.object", ({ pinned, early, hasBackup }) => pinned && early && !hasBackup],
  ]);
  const gpu = await bootHooked((name) => {
    const isLeft = left.get(name);
    if (isLeft === undefined) return;
    const objects = [...momentOf(gpu.device).objects.values()].filter(isLeft);
    const of = (region: string): number => objects.filter(({ place }) => place.startsWith(region)).length;
    seen.set(name, [...(seen.get(name) ?? []), { first: of("lmem0"), second: of("lmem1") }]);
  });
  for (const region of ["lmem1", "lmem0", "lmem1", "lmem0", "lmem0"]) {
    await gpu.upload(patternOf(1, 64 * KIB), { regions: [region, "smem"] });
    for (const flags of [[], ["PM_EARLY" as const]]) {
      const object = await gpu.upload(patternOf(2, 64 * KIB), { regions: [region], flags });
      await gpu.execute({ type: "pinObject", object });
    }
  }
  await gpu.execute({ type: "suspend", state: "S3" });
  // In lmem0 are firmware image and page table too, which are PM_EARLY.
  const counts = { "evict.object": [3, 2], "evictPinned.object": [3, 2], "memcpy.object": [5, 2] };
  for (const [name, [first, second]] of Object.entries(counts)) {
    const expected = [
      ...Array.from({ length: first }, () => ({ first, second })),
      ...Array.from({ length: second }, () => ({ first: 0, second })),
    ];
    expect([name, [...seen].find(([each]) => each === name)?.[1]]).toEqual([name, expected]);
  }
});

test("[invariant 24] no backup is attached before every byte of it has arrived", async () => {
  const checked = new Set<number>();
  const wrong: number[] = [];
  let passes = 0;
  const gpu = await bootHooked(() => {
    passes++;
    for (const [owner, same] of newBackups(gpu, checked)) {
      checked.add(owner);
      if (!same) wrong.push(owner);
    }
  });
  // More than a batch holds, so that a walk goes on while copies are in flight.
  const template = { sizeBytes: 4 * KIB, regions: ["lmem1"], flags: [], alignmentBytes: 0, label: "" };
  const { objects } = await gpu.execute({ type: "batchCreateObjects", template, count: 1100 });
  for (const [seed, object] of objects.entries()) {
    const data = patternOf(seed, 4 * KIB);
    if (seed % 10 === 0) await gpu.execute({ type: "writeObject", object, offsetBytes: 0, data });
  }
  await gpu.execute({ type: "batchPinObjects", objects });
  await gpu.execute({ type: "suspend", state: "S3" });
  expect(passes).toBeGreaterThan(1100);
  expect(checked.size).toBe(1102);
  expect(wrong).toEqual([]);
});

test("[invariant 21] closing a device is no suspend: nothing is evicted, backed up or told", async () => {
  const gpu = await bootVirtual();
  const object = await gpu.upload(patternOf(1, MIB));
  await gpu.execute({ type: "pinObject", object });
  await gpu.upload(patternOf(2, MIB));
  const before = gpu.events.length;
  await gpu.clock.run(gpu.device.close());
  expect(gpu.events.slice(before)).toEqual([]);
});

function forgetBackup({ device }: VirtualDevice): void {
  const { table } = device.memory;
  const owner = table.backup.findIndex((backup, slot) => table.id[slot] !== 0 && backup !== NONE);
  table.backup[owner] = NONE;
}

function loseObject({ device }: VirtualDevice): void {
  const { memory } = device;
  memory.forgetObject(memory.findObject("2"));
}

/** A device that calls `hook` at each failpoint that is passed. */
function bootHooked(hook: (name: FailpointName) => void): Promise<VirtualDevice> {
  const failpoints: DeviceFailpoints = {
    idle: false,
    pass: async (name) => hook(name),
    letGo: () => {},
    pausedAt: () => "",
    fires: () => false,
  };
  const page = { sizeBytes: 8 * MIB, minPageBytes: 4 * KIB };
  return bootVirtual({ lmem: [page, page], failpoints });
}

/** Owners whose backup is not in `known`, and whether it is what they are. */
function* newBackups({ device }: VirtualDevice, known: ReadonlySet<number>): Generator<[number, boolean]> {
  const { memory } = device;
  const { table } = memory;
  const bytesOf = (slot: number): Uint8Array => {
    const region = memory.region(table.region[slot]);
    const parts = region.extents(table.resource[slot]);
    return Buffer.concat(
      parts.map(({ offsetBytes, lengthBytes }) =>
        region.bank.bytes.subarray(offsetBytes, offsetBytes + lengthBytes),
      ),
      table.sizeBytes[slot],
    );
  };
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if (table.id[slot] === 0 || table.backup[slot] === NONE || known.has(slot)) continue;
    yield [slot, Buffer.compare(bytesOf(slot), bytesOf(table.backup[slot])) === 0];
  }
}
