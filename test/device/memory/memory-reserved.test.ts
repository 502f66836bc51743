/** Memory that clients never get: reserved ranges, stolen memory, and the device's own objects. */
import { beforeEach, describe, expect, test } from "vitest";
import {
  bootVirtual,
  bytesInPlace,
  create,
  hashOf,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  seededRandom,
  type VirtualDevice,
} from "../../support/test-device.ts";

let gpu: VirtualDevice;

describe("[kst:igt_mock_reserve] reserved ranges", () => {
  const RESERVED = [
    { offsetBytes: 1 * MIB, lengthBytes: 64 * KIB },
    { offsetBytes: 3 * MIB, lengthBytes: 320 * KIB },
    { offsetBytes: 15 * MIB, lengthBytes: MIB },
  ];
  const reservedBytes = RESERVED.reduce((sum, range) => sum + range.lengthBytes, 0);
  beforeEach(async () => {
    gpu = await bootVirtual({ lmem: [{ sizeBytes: 16 * MIB, reserved: RESERVED }] });
  });

  test("are never granted, although everything else is", async () => {
    const random = seededRandom(2);
    for (let left = (await lmem0()).availableBytes; left > 0; ) {
      const sizeBytes = Math.min(left, Math.ceil(random() * 12) * 64 * KIB);
      await gpu.execute({ type: "pinObject", object: await create(gpu, { sizeBytes, regions: ["lmem0"] }) });
      left -= sizeBytes;
    }
    expect(await lmem0()).toMatchObject({ availableBytes: 0, usedBytes: 16 * MIB });
    const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: true } as const;
    const { objects } = await gpu.execute({ ...list, filter: { region: "lmem0" } });
    const extents = objects.flatMap((object) => object.extents);
    expect(extents.reduce((sum, extent) => sum + extent.lengthBytes, 0)).toBe(16 * MIB - reservedBytes);
    const granted = extents.filter(({ offsetBytes, lengthBytes }) =>
      RESERVED.some(
        (range) =>
          offsetBytes < range.offsetBytes + range.lengthBytes &&
          range.offsetBytes < offsetBytes + lengthBytes,
      ),
    );
    expect(granted).toEqual([]);
    gpu.device.checkInvariants();
  });

  test("count as used, before and after a suspend", async () => {
    const before = await lmem0();
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    expect(await lmem0()).toEqual(before);
    expect(before.usedBytes).toBe(before.pinnedBytes + reservedBytes);
  });

  test("make an object that would need them too large", async () => {
    const sizeBytes = 16 * MIB - reservedBytes + 64 * KIB;
    const spec = { type: "createObject", sizeBytes, flags: [], alignmentBytes: 0, label: "" } as const;
    expect(await reasonOf(gpu.execute({ ...spec, regions: ["lmem0"] }))).toBe("INVALID_SIZE");
  });
});

describe("stolen memory", () => {
  beforeEach(async () => {
    gpu = await bootVirtual({ stolenBytes: MIB });
  });

  test("[gem_create@create-ext-placement-sanity-check] is private: no object may be created, moved or pinned there, nor evicted from it", async () => {
    const spec = { type: "createObject", sizeBytes: MIB, flags: [], alignmentBytes: 0, label: "" } as const;
    expect(await reasonOf(gpu.execute({ ...spec, regions: ["stolen"] }))).toBe("INVALID_REGION");
    expect(await reasonOf(gpu.execute({ ...spec, regions: ["lmem0", "stolen"] }))).toBe("INVALID_REGION");
    const id = await gpu.upload(patternOf(1, MIB));
    const target = { object: id, region: "stolen" };
    expect(await reasonOf(gpu.execute({ type: "moveObject", ...target }))).toBe("INVALID_REGION");
    expect(await reasonOf(gpu.execute({ type: "pinObject", ...target }))).toBe("INVALID_REGION");
    expect(await reasonOf(gpu.execute({ type: "evictRegion", region: "stolen" }))).toBe("INVALID_REGION");
  });

  test("[invariant 19] is never walked and never saved: nothing of it is copied, and its bytes go with the power", async () => {
    const { id, extents } = await stolenObject();
    const bank = gpu.device.memory.findRegion("stolen")?.bank;
    const pattern = patternOf(5, MIB);
    bank?.bytes.set(pattern, 0);
    const smem = await gpu.execute({ type: "getRegion", region: "smem" });
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    // The firmware image and the page table are all that is saved; context and ring are given up.
    expect(suspended).toMatchObject({ evictedObjects: 0, backupObjects: 2 });
    expect(suspended.phases.reduce((sum, phase) => sum + phase.skippedVolatile, 0)).toBe(4);
    expect(await look(gpu, id)).toMatchObject({ hasBackup: false, region: "stolen", extents });
    await gpu.execute({ type: "resume" });
    expect(await look(gpu, id)).toMatchObject({ hasBackup: false, region: "stolen", extents, pinCount: 1 });
    expect(await gpu.execute({ type: "getRegion", region: "smem" })).toMatchObject({
      usedBytes: smem.usedBytes,
    });
    expect(hashOf(bytesInPlace(gpu, id))).not.toBe(hashOf(pattern));
    gpu.device.checkInvariants();
  });

  test("is the device's: clients can look at it and nothing else", async () => {
    const { id } = await stolenObject();
    const region = await gpu.execute({ type: "getRegion", region: "stolen" });
    expect(region).toMatchObject({ kind: "STOLEN", availableBytes: 0, pinnedBytes: MIB, objectCount: 1 });
    const attempts = [
      { type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 },
      { type: "writeObject", object: id, offsetBytes: 0, data: new Uint8Array(1) },
      { type: "checksumObject", object: id },
      { type: "adviseObject", object: id, advice: "DONT_NEED" },
      { type: "moveObject", object: id, region: "lmem0" },
      { type: "pinObject", object: id },
      { type: "unpinObject", object: id },
      { type: "deleteObject", object: id },
      { type: "batchUnpinObjects", objects: [id] },
      { type: "batchDeleteObjects", objects: [id] },
    ] as const;
    for (const attempt of attempts) expect(await reasonOf(gpu.execute(attempt))).toBe("INVALID_REQUEST");
    expect(await look(gpu, id)).toMatchObject({ pinCount: 1, region: "stolen", state: "RESIDENT" });
    gpu.device.checkInvariants();
  });
});

test("[invariant 60] the device's own objects stay where they are under any pressure", async () => {
  gpu = await bootVirtual();
  const before = (await owned()).map(({ id, extents }) => ({ id, extents }));
  for (let seed = 0; seed < 30; seed++) await gpu.upload(patternOf(seed, MIB));
  await gpu.execute({ type: "evictRegion", region: "lmem0" });
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "resume" });
  expect((await owned()).map(({ id, extents }) => ({ id, extents }))).toEqual(before);
});

function lmem0() {
  return gpu.execute({ type: "getRegion", region: "lmem0" });
}

async function owned() {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: true } as const;
  return (await gpu.execute(list)).objects.filter((object) => object.id.startsWith("k"));
}

async function stolenObject() {
  const [object] = (await owned()).filter((each) => each.region === "stolen");
  return object;
}
