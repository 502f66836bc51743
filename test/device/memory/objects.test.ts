import { beforeEach, describe, expect, test } from "vitest";
import type { CreateObject } from "../../../src/device/mod.ts";
import {
  bootVirtual,
  hashOf,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  seededRandom,
  type VirtualDevice,
} from "../../support/test-device.ts";

const SPEC: CreateObject = {
  type: "createObject",
  sizeBytes: MIB,
  regions: [],
  flags: [],
  alignmentBytes: 0,
  label: "",
};

let gpu: VirtualDevice;
beforeEach(async () => {
  gpu = await bootVirtual();
});

describe("create", () => {
  test.each<[string, Partial<CreateObject>, string]>([
    ["size 0", { sizeBytes: 0 }, "INVALID_SIZE"],
    ["a negative size", { sizeBytes: -1 }, "INVALID_SIZE"],
    ["a size larger than every allowed region", { sizeBytes: 65 * MIB }, "INVALID_SIZE"],
    ["a size larger than the only region", { sizeBytes: 17 * MIB, regions: ["lmem0"] }, "INVALID_SIZE"],
    ["an unknown region", { regions: ["lmem7"] }, "INVALID_REGION"],
    ["a region named twice", { regions: ["lmem0", "lmem0"] }, "INVALID_REGION"],
    ["GPU_ONLY with CPU_CLEAR", { flags: ["GPU_ONLY", "CPU_CLEAR"] }, "INVALID_FLAGS"],
    ["GPU_ONLY with PM_EARLY", { flags: ["GPU_ONLY", "PM_EARLY"] }, "INVALID_FLAGS"],
    ["the output-only flag KERNEL", { flags: ["KERNEL"] }, "INVALID_FLAGS"],
    ["CPU_ACCESS without smem", { flags: ["CPU_ACCESS"], regions: ["lmem0"] }, "INVALID_FLAGS"],
    ["an alignment that is no power of two", { alignmentBytes: 3 }, "INVALID_REQUEST"],
    ["a label that is too long", { label: "x".repeat(257) }, "INVALID_REQUEST"],
  ])("refuses %s and changes nothing", async (_what, change, reason) => {
    const before = await gpu.execute({ type: "listRegions" });
    expect(await reasonOf(gpu.execute({ ...SPEC, ...change }))).toBe(reason);
    expect(await gpu.execute({ type: "listRegions" })).toEqual(before);
    gpu.device.checkInvariants();
  });

  test("[gem_create@create-valid-nonaligned] rounds the size up to the page, and all of it is writable", async () => {
    const object = await gpu.execute({ ...SPEC, sizeBytes: 5 });
    expect(object.sizeBytes).toBe(64 * KIB);
    const data = patternOf(1, 64 * KIB);
    await gpu.execute({ type: "writeObject", object: object.id, offsetBytes: 0, data });
    expect(hashOf(await gpu.download(object.id))).toBe(hashOf(data));
  });

  test("takes no memory before the first use", async () => {
    const object = await gpu.execute(SPEC);
    expect(object).toMatchObject({ state: "UNPOPULATED", region: "", extents: [] });
  });

  test("[gem_create@create-clear] gives zeroes, although the memory held other bytes", async () => {
    for (let round = 0; round < 3; round++) {
      const id = await gpu.upload(patternOf(round, 12 * MIB));
      await gpu.execute({ type: "deleteObject", object: id });
    }
    const fresh = await gpu.execute({ ...SPEC, sizeBytes: 12 * MIB });
    expect((await gpu.download(fresh.id)).every((byte) => byte === 0)).toBe(true);
  });
});

describe("content", () => {
  test.each([
    ["a range beyond the end", MIB - 1, 2],
    ["an offset beyond the end", MIB + 1, 0],
    ["a negative offset", -1, 1],
    ["an offset that is no whole number", 0.5, 1],
  ])("refuses %s", async (_what, offsetBytes, lengthBytes) => {
    const { id } = await gpu.execute(SPEC);
    expect(await reasonOf(gpu.execute({ type: "readObject", object: id, offsetBytes, lengthBytes }))).toBe(
      "INVALID_RANGE",
    );
  });

  test("refuses a stream whose declared length does not fit, before its first byte", async () => {
    const id = await gpu.upload(patternOf(1, MIB));
    const write = gpu.execute({
      type: "writeObject",
      object: id,
      offsetBytes: 0,
      data: new Uint8Array(16),
      declaredBytes: MIB + 1,
    });
    expect(await reasonOf(write)).toBe("INVALID_RANGE");
    expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(1, MIB)));
  });

  test("checksums what is there", async () => {
    const bytes = patternOf(3, 3 * MIB);
    const id = await gpu.upload(bytes);
    const { sha256Hex, sizeBytes } = await gpu.execute({ type: "checksumObject", object: id });
    expect({ sha256Hex, sizeBytes }).toEqual({ sha256Hex: hashOf(bytes), sizeBytes: 3 * MIB });
  });
});

describe("placement", () => {
  test("evicts the least recently used object before it falls back to system memory", async () => {
    const old = await gpu.upload(patternOf(1, 6 * MIB));
    const used = await gpu.upload(patternOf(2, 6 * MIB));
    await gpu.execute({ type: "readObject", object: old, offsetBytes: 0, lengthBytes: 1 });
    const fresh = await gpu.upload(patternOf(3, 6 * MIB));
    const regions = await Promise.all(
      [old, used, fresh].map(async (object) => (await gpu.execute({ type: "getObject", object })).region),
    );
    expect(regions).toEqual(["lmem0", "smem", "lmem0"]);
    expect(hashOf(await gpu.download(used))).toBe(hashOf(patternOf(2, 6 * MIB)));
  });

  test("[kunit:all_pinned_evict] a region full of pinned objects answers REGION_FULL, and with smem allowed falls back", async () => {
    for (let seed = 0; seed < 14; seed++) {
      const id = await gpu.upload(patternOf(seed, MIB), { regions: ["lmem0"] });
      await gpu.execute({ type: "pinObject", object: id });
    }
    const only = await gpu.execute({ ...SPEC, sizeBytes: 4 * MIB, regions: ["lmem0"] });
    expect(await reasonOf(gpu.execute({ type: "pinObject", object: only.id }))).toBe("REGION_FULL");
    const either = await gpu.upload(patternOf(99, 4 * MIB));
    expect((await gpu.execute({ type: "getObject", object: either })).region).toBe("smem");
    gpu.device.checkInvariants();
  });

  test("a full host answers SYSTEM_MEMORY_EXHAUSTED and loses nothing", async () => {
    gpu = await bootVirtual({ smem: { sizeBytes: 4 * MIB } });
    const hashes = new Map<string, string>();
    let reason = "none";
    for (let seed = 0; reason === "none" && seed < 64; seed++) {
      const bytes = patternOf(seed, MIB);
      reason = await reasonOf(gpu.upload(bytes).then((id) => hashes.set(id, hashOf(bytes))));
    }
    expect(reason).toBe("SYSTEM_MEMORY_EXHAUSTED");
    for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id))).toBe(hash);
    gpu.device.checkInvariants();
  });

  test("CONTIGUOUS objects have one extent", async () => {
    const random = seededRandom(5);
    const holes: string[] = [];
    for (let at = 0; at < 40; at++) holes.push(await gpu.upload(patternOf(at, 64 * KIB)));
    for (const id of holes) if (random() < 0.5) await gpu.execute({ type: "deleteObject", object: id });
    const { id } = await gpu.execute({ ...SPEC, sizeBytes: 3 * MIB, flags: ["CONTIGUOUS"] });
    expect((await gpu.execute({ type: "pinObject", object: id })).extents).toHaveLength(1);
  });
});

describe("pins", () => {
  test("are counted, fix the extents, and forbid deletion and moves", async () => {
    const id = await gpu.upload(patternOf(1, MIB));
    const first = await gpu.execute({ type: "pinObject", object: id });
    const second = await gpu.execute({ type: "pinObject", object: id });
    expect([first.pinCount, second.pinCount]).toEqual([1, 2]);
    expect(await reasonOf(gpu.execute({ type: "deleteObject", object: id }))).toBe("OBJECT_PINNED");
    expect(await reasonOf(gpu.execute({ type: "moveObject", object: id, region: "smem" }))).toBe(
      "OBJECT_PINNED",
    );
    expect(await reasonOf(gpu.execute({ type: "pinObject", object: id, region: "smem" }))).toBe(
      "OBJECT_PINNED",
    );
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect((await gpu.execute({ type: "getObject", object: id })).extents).toEqual(first.extents);
    await gpu.execute({ type: "unpinObject", object: id });
    await gpu.execute({ type: "unpinObject", object: id });
    expect(await reasonOf(gpu.execute({ type: "unpinObject", object: id }))).toBe("OBJECT_NOT_PINNED");
    expect((await gpu.execute({ type: "getObject", object: id })).evictable).toBe(true);
  });

  test("bring an evicted object back with its bytes", async () => {
    const id = await gpu.upload(patternOf(7, MIB));
    expect(await gpu.execute({ type: "evictRegion", region: "lmem0" })).toEqual({ objects: 1, bytes: MIB });
    const pinned = await gpu.execute({ type: "pinObject", object: id });
    expect(pinned.region).toBe("lmem0");
    expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(7, MIB)));
  });
});

describe("device-owned objects", () => {
  test("are listed on request only, and clients cannot touch them", async () => {
    const plain = { type: "listObjects", afterId: "", limit: 100 } as const;
    expect((await gpu.execute({ ...plain, showDeviceOwned: false })).objects).toEqual([]);
    const { objects } = await gpu.execute({ ...plain, showDeviceOwned: true });
    expect(objects.map((object) => object.label)).toEqual([
      "firmware image",
      "migrate page table",
      "bcs0 kernel context image",
      "bcs0 kernel context ring",
      "bcs0 migrate context image",
      "bcs0 migrate context ring",
    ]);
    expect(await reasonOf(gpu.execute({ type: "deleteObject", object: "k1" }))).toBe("INVALID_REQUEST");
    expect(await reasonOf(gpu.execute({ type: "unpinObject", object: "k1" }))).toBe("INVALID_REQUEST");
  });
});

describe("listing", () => {
  test("pages through every object in the order of ids, also when the last one of a page is gone", async () => {
    for (let at = 0; at < 7; at++) await gpu.execute({ ...SPEC, label: `${at}` });
    const page = { type: "listObjects", limit: 3, showDeviceOwned: false } as const;
    const first = await gpu.execute({ ...page, afterId: "" });
    await gpu.execute({ type: "deleteObject", object: first.nextAfterId });
    const second = await gpu.execute({ ...page, afterId: first.nextAfterId });
    const third = await gpu.execute({ ...page, afterId: second.nextAfterId });
    const ids = [first, second, third].flatMap((each) => each.objects.map((object) => object.id));
    expect(ids).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    expect(third.nextAfterId).toBe("");
  });
});
