/**
 * [invariant 7] A fresh object reads zero, wherever it comes to lie and whatever lay there before: no byte of another
 * object is ever visible.
 */
import { describe, expect, test } from "vitest";
import type { DeviceOptions, ObjectFlag } from "../../../src/device/mod.ts";
import { MemoryStore, unsteadyCopier } from "../../support/regions.ts";
import {
  bootVirtual,
  bytesInPlace,
  create,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  seededRandom,
  type VirtualDevice,
} from "../../support/test-device.ts";

/** Leaves foreign bytes behind in both regions, by one way or another. */
type Leave = (gpu: VirtualDevice) => Promise<void>;

const WAYS: readonly [string, Partial<DeviceOptions>, Leave][] = [
  [
    "[gem_create@create-clear] deletions",
    {},
    async (gpu) => {
      for (const id of await fill(gpu, 20)) await gpu.execute({ type: "deleteObject", object: id });
    },
  ],
  [
    "an eviction",
    {},
    async (gpu) => {
      await fill(gpu, 15);
      await gpu.execute({ type: "evictRegion", region: "lmem0" });
    },
  ],
  [
    "purges",
    {},
    async (gpu) => {
      for (const object of await fill(gpu, 15)) {
        await gpu.execute({ type: "adviseObject", object, advice: "DONT_NEED" });
      }
      await gpu.execute({ type: "evictRegion", region: "lmem0" });
    },
  ],
  [
    "[bug #29] a power loss",
    {},
    async (gpu) => {
      await fill(gpu, 15);
      await gpu.execute({ type: "suspend", state: "S3" });
      await gpu.execute({ type: "resume" });
    },
  ],
  [
    "swap",
    { smem: { sizeBytes: 8 * MIB }, swap: new MemoryStore(32 * MIB) },
    async (gpu) => {
      await fill(gpu, 20, ["smem"]);
      await fill(gpu, 15, ["lmem0"]);
      await gpu.execute({ type: "evictRegion", region: "lmem0" });
    },
  ],
  [
    "a wedge",
    {},
    async (gpu) => {
      for (const id of await fill(gpu, 15)) await gpu.execute({ type: "deleteObject", object: id });
      await gpu.clock.run(gpu.device.gt.setWedged("the test says so"));
    },
  ],
];

describe("a fresh object reads zero after", () => {
  test.each(WAYS)("%s", async (_what, options, leave) => {
    const gpu = await bootVirtual(options);
    await leave(gpu);
    const flags: ObjectFlag[][] = [[], ["CONTIGUOUS"], ["CPU_CLEAR"], ["VOLATILE"], ["PM_EARLY"]];
    for (const [at, each] of [...flags, ...flags].entries()) {
      const region = at < flags.length ? "lmem0" : "smem";
      const object = await create(gpu, {
        sizeBytes: MIB,
        flags: each,
        regions: [region, "lmem0", "smem"].slice(0, 1),
      });
      if (region === "lmem0") await gpu.execute({ type: "pinObject", object });
      else await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: 1 });
      expect((await look(gpu, object)).region).toBe(region);
      expect(isZero(bytesInPlace(gpu, object)), `${each} in ${region}`).toBe(true);
    }
  });
});

test("a fresh object reads zero beside one that was powered down: what was never touched is not what it was either", async () => {
  const gpu = await bootVirtual({ lmem: [{ sizeBytes: 16 * MIB, minPageBytes: 4 * KIB }] });
  const first = await create(gpu, { sizeBytes: 4 * KIB, regions: ["lmem0"] });
  await gpu.execute({ type: "pinObject", object: first });
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "resume" });
  for (let at = 0; at < 64; at++) {
    const object = await create(gpu, { sizeBytes: 4 * KIB, regions: ["lmem0"] });
    await gpu.execute({ type: "pinObject", object });
    expect(isZero(bytesInPlace(gpu, object)), `object ${object}`).toBe(true);
  }
});

test("a blitter that fails in the middle of a clear leaves nothing of the bytes before", async () => {
  const gpu = await bootVirtual();
  for (const id of await fill(gpu, 15)) await gpu.execute({ type: "deleteObject", object: id });
  const copier = unsteadyCopier(gpu);
  copier.failures = 1;
  const object = await create(gpu, { sizeBytes: 8 * MIB, regions: ["lmem0"] });
  await gpu.execute({ type: "pinObject", object });
  expect(copier.failures).toBe(0);
  expect(isZero(bytesInPlace(gpu, object))).toBe(true);
});

test("a fresh object that could not be cleared is not there: COPY_FAILED, and its space is free and dirty", async () => {
  const gpu = await bootVirtual({ lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 2 * MIB }] });
  const objects: string[] = [];
  for (let at = 0; at < 12; at++) objects.push(await create(gpu, { regions: ["lmem0"] }));
  for (const object of objects) await gpu.execute({ type: "pinObject", object });
  await gpu.execute({ type: "batchUnpinObjects", objects });
  await gpu.execute({ type: "batchDeleteObjects", objects });
  const blitter = gpu.device.memory.blitter;
  gpu.device.memory.blitter = undefined;
  const object = await create(gpu, { sizeBytes: 8 * MIB, regions: ["lmem0"] });
  const before = await gpu.execute({ type: "listRegions" });
  expect(await reasonOf(gpu.execute({ type: "pinObject", object }))).toBe("COPY_FAILED");
  expect((await look(gpu, object)).state).toBe("UNPOPULATED");
  expect(await gpu.execute({ type: "listRegions" })).toEqual(before);
  gpu.device.memory.blitter = blitter;
  await gpu.execute({ type: "pinObject", object });
  expect(isZero(bytesInPlace(gpu, object))).toBe(true);
  gpu.device.checkInvariants();
});

test("[gem_create@hog-create] fresh objects of any shape read zero under load, and what was written is all that is there", async () => {
  const gpu = await bootVirtual({
    lmem: [{ sizeBytes: 8 * MIB, minPageBytes: 4 * KIB, visibleBytes: 4 * MIB }],
    smem: { sizeBytes: 8 * MIB },
    swap: new MemoryStore(16 * MIB),
  });
  const random = seededRandom(4);
  const live: string[] = [];
  for (let step = 0; step < 250; step++) {
    const sizeBytes = 4 * KIB * Math.ceil(random() ** 3 * 256);
    const alignmentBytes = random() < 0.2 ? 64 * KIB : 0;
    const object = await create(gpu, {
      sizeBytes,
      alignmentBytes,
      flags: random() < 0.3 ? ["CONTIGUOUS"] : [],
    });
    const data = patternOf(step, Math.min(100, sizeBytes));
    const offsetBytes = Math.floor(random() * (sizeBytes - data.length));
    await gpu.execute({ type: "writeObject", object, offsetBytes, data });
    const bytes = bytesInPlace(gpu, object);
    expect(Buffer.compare(bytes.subarray(offsetBytes, offsetBytes + data.length), data)).toBe(0);
    bytes.fill(0, offsetBytes, offsetBytes + data.length);
    expect(isZero(bytes), `step ${step}`).toBe(true);
    // From now on it holds what nobody else may see.
    await gpu.execute({ type: "writeObject", object, offsetBytes: 0, data: patternOf(step, sizeBytes) });
    live.push(object);
    while (live.length > 20 || (live.length > 0 && random() < 0.3)) {
      const [gone] = live.splice(Math.floor(random() * live.length), 1);
      await gpu.execute({ type: "deleteObject", object: gone });
    }
  }
  gpu.device.checkInvariants();
});

/** Objects of 1 MiB, full of bytes that are not zero. */
async function fill(gpu: VirtualDevice, count: number, regions?: string[]): Promise<string[]> {
  const ids: string[] = [];
  const bytes = new Uint8Array(MIB).fill(0xa5);
  for (let at = 0; at < count; at++)
    ids.push(await gpu.upload(bytes, regions === undefined ? {} : { regions }));
  return ids;
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, new Uint8Array(bytes.length)) === 0;
}
