/** The backing states of an object: every legal edge is reached here, and every use of content that is gone is refused. */
import { describe, expect, test } from "vitest";
import { MemoryStore, unsteadyCopier } from "../../support/regions.ts";
import {
  bootVirtual,
  bytesInPlace,
  create,
  hashOf,
  look,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";

const BYTES = patternOf(1, MIB);

/** A device whose system memory holds two objects of 1 MiB; the rest goes to swap. */
async function tight(): Promise<{ gpu: VirtualDevice; swap: MemoryStore }> {
  const swap = new MemoryStore(16 * MIB);
  return { gpu: await bootVirtual({ smem: { sizeBytes: 2 * MIB }, swap }), swap };
}

/** Fills system memory with others, so that what can go from there goes. */
async function pressSystemMemory(gpu: VirtualDevice): Promise<void> {
  for (let seed = 0; seed < 2; seed++) await gpu.upload(patternOf(50 + seed, MIB), { regions: ["smem"] });
}

async function swappedObject(gpu: VirtualDevice): Promise<string> {
  const id = await gpu.upload(BYTES, { regions: ["smem", "lmem0"] });
  await pressSystemMemory(gpu);
  expect((await look(gpu, id)).state).toBe("SWAPPED");
  return id;
}

async function unknownObject(gpu: VirtualDevice, swap: MemoryStore): Promise<string> {
  const id = await swappedObject(gpu);
  swap.damage();
  expect(await reasonOf(gpu.download(id))).toBe("CONTENT_UNKNOWN");
  return id;
}

function advise(gpu: VirtualDevice, object: string, advice: "WILL_NEED" | "DONT_NEED") {
  return gpu.execute({ type: "adviseObject", object, advice });
}

describe("the edges", () => {
  test("UNPOPULATED to RESIDENT at first use, in lmem0 and in smem", async () => {
    const { gpu } = await tight();
    for (const region of ["lmem0", "smem"]) {
      const id = await create(gpu, { regions: [region] });
      expect(await look(gpu, id)).toMatchObject({ state: "UNPOPULATED", region: "", evictable: false });
      await gpu.execute({ type: "readObject", object: id, offsetBytes: 0, lengthBytes: 0 });
      expect(await look(gpu, id)).toMatchObject({ state: "RESIDENT", region });
    }
  });

  test("[gem_madvise@dontneed-before-mmap] UNPOPULATED to PURGED at once with DONT_NEED", async () => {
    const { gpu } = await tight();
    const id = await create(gpu);
    expect(await advise(gpu, id, "DONT_NEED")).toEqual({ retained: false });
    expect(await look(gpu, id)).toMatchObject({ state: "PURGED", madvise: "DONT_NEED" });
  });

  test("[invariant 64] RESIDENT to PURGED by eviction with DONT_NEED, and nothing is copied", async () => {
    const { gpu } = await tight();
    const id = await gpu.upload(BYTES);
    expect(await advise(gpu, id, "DONT_NEED")).toEqual({ retained: true });
    const copier = unsteadyCopier(gpu);
    expect(await gpu.execute({ type: "evictRegion", region: "lmem0" })).toEqual({ objects: 1, bytes: MIB });
    expect(await look(gpu, id)).toMatchObject({ state: "PURGED", region: "", extents: [] });
    expect(copier.jobs).toBe(0);
    expect(gpu.events.filter((event) => event.type === "evicted")).toEqual([]);
    expect(gpu.events).toContainEqual({ type: "purged", objects: 1, bytes: MIB });
    expect((await gpu.execute({ type: "getRegion", region: "smem" })).usedBytes).toBe(0);
  });

  test("[invariant 64] RESIDENT to PURGED by the shrinker with DONT_NEED, and nothing is swapped", async () => {
    const { gpu } = await tight();
    const kept = await gpu.upload(patternOf(2, MIB), { regions: ["smem"] });
    const id = await gpu.upload(BYTES, { regions: ["smem"] });
    await advise(gpu, id, "DONT_NEED");
    await gpu.upload(patternOf(3, MIB), { regions: ["smem"] });
    expect((await look(gpu, id)).state).toBe("PURGED");
    expect((await look(gpu, kept)).state).toBe("RESIDENT");
    expect(gpu.events.filter((event) => event.type === "swappedOut")).toEqual([]);
  });

  test("RESIDENT to PURGED in step 1 of a suspend with DONT_NEED", async () => {
    const { gpu } = await tight();
    const id = await gpu.upload(BYTES);
    await advise(gpu, id, "DONT_NEED");
    expect((await gpu.execute({ type: "suspend", state: "S3" })).evictedBytes).toBe(0);
    expect((await look(gpu, id)).state).toBe("PURGED");
    await gpu.execute({ type: "resume" });
    gpu.device.checkInvariants();
  });

  test("[kunit:ttm_bo_swapout] RESIDENT to SWAPPED by the shrinker, and back by a read, a pin and a move", async () => {
    for (const use of ["read", "pin", "move"] as const) {
      const { gpu } = await tight();
      const id = await swappedObject(gpu);
      expect(await look(gpu, id)).toMatchObject({ region: "", extents: [], evictable: false });
      if (use === "read") await gpu.download(id);
      if (use === "pin") await gpu.execute({ type: "pinObject", object: id });
      if (use === "move") await gpu.execute({ type: "moveObject", object: id, region: "lmem0" });
      expect((await look(gpu, id)).state).toBe("RESIDENT");
      expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
      gpu.device.checkInvariants();
    }
  });

  test("SWAPPED to PURGED at once with DONT_NEED, and its place in swap is free again", async () => {
    const { gpu } = await tight();
    const id = await swappedObject(gpu);
    expect(gpu.device.memory.swap?.usedBytes).toBe(MIB);
    expect(await advise(gpu, id, "DONT_NEED")).toEqual({ retained: false });
    expect((await look(gpu, id)).state).toBe("PURGED");
    expect(gpu.device.memory.swap?.usedBytes).toBe(0);
    gpu.device.checkInvariants();
  });

  test("SWAPPED to UNKNOWN when what comes back is not what went out", async () => {
    const { gpu, swap } = await tight();
    const id = await unknownObject(gpu, swap);
    expect(await look(gpu, id)).toMatchObject({ state: "UNKNOWN", region: "", extents: [] });
    expect(gpu.device.memory.swap?.usedBytes).toBe(MIB);
    gpu.device.checkInvariants();
  });

  test("RESIDENT to UNPOPULATED by the shrinker when VOLATILE: the next use starts from zeroes", async () => {
    const { gpu } = await tight();
    const id = await gpu.upload(BYTES, { regions: ["smem"], flags: ["VOLATILE"] });
    await pressSystemMemory(gpu);
    expect(await look(gpu, id)).toMatchObject({ state: "UNPOPULATED", region: "", madvise: "WILL_NEED" });
    expect((await gpu.download(id)).every((byte) => byte === 0)).toBe(true);
  });
});

describe("VOLATILE objects", () => {
  test("keep their content in an eviction, and in a suspend when they are not pinned", async () => {
    const { gpu } = await tight();
    const id = await gpu.upload(BYTES, { flags: ["VOLATILE"] });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
    await gpu.execute({ type: "moveObject", object: id, region: "lmem0" });
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    expect(hashOf(await gpu.download(id))).toBe(hashOf(BYTES));
  });

  test("keep their content in system memory while they are pinned there", async () => {
    const { gpu } = await tight();
    const id = await gpu.upload(BYTES, { regions: ["smem"], flags: ["VOLATILE"] });
    await gpu.execute({ type: "pinObject", object: id });
    await pressSystemMemory(gpu);
    expect(await look(gpu, id)).toMatchObject({ state: "RESIDENT", pinCount: 1 });
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
  });

  test("are never swapped: to throw them away is enough", async () => {
    const { gpu } = await tight();
    for (let seed = 0; seed < 6; seed++) {
      await gpu.upload(patternOf(seed, MIB), { regions: ["smem"], flags: ["VOLATILE"] });
    }
    expect(gpu.device.memory.swap?.usedBytes).toBe(0);
    gpu.device.checkInvariants();
  });
});

describe("content that is gone or given up", () => {
  test.each<[string, (gpu: VirtualDevice, swap: MemoryStore) => Promise<string>, string]>([
    [
      "[gem_madvise@dontneed-before-pwrite] [gem_madvise@dontneed-before-exec] PURGED",
      async (gpu) => {
        const id = await create(gpu);
        await advise(gpu, id, "DONT_NEED");
        return id;
      },
      "OBJECT_PURGED",
    ],
    [
      "[gem_madvise@dontneed-after-mmap] DONT_NEED and still there",
      async (gpu) => {
        const id = await gpu.upload(BYTES);
        await advise(gpu, id, "DONT_NEED");
        return id;
      },
      "OBJECT_PURGED",
    ],
    ["[invariant 48] UNKNOWN", unknownObject, "CONTENT_UNKNOWN"],
  ])("%s is refused to every use, and changes nothing", async (_what, make, reason) => {
    const { gpu, swap } = await tight();
    const object = await make(gpu, swap);
    const before = await look(gpu, object);
    const { id: context } = await gpu.execute({ type: "createContext", engine: "bcs0", priority: "NORMAL" });
    const store = { op: "storeDword", object, offsetBytes: 0, value: 1 } as const;
    const [region] = before.regions;
    const uses = [
      { type: "readObject", object, offsetBytes: 0, lengthBytes: 1 },
      { type: "writeObject", object, offsetBytes: 0, data: new Uint8Array(1) },
      { type: "checksumObject", object },
      { type: "pinObject", object },
      { type: "moveObject", object, region },
      { type: "batchPinObjects", objects: [object] },
      { type: "submitWork", context, commands: [store], waitFences: [] },
    ] as const;
    for (const use of uses) expect(await reasonOf(gpu.execute(use)), use.type).toBe(reason);
    expect(await look(gpu, object)).toEqual(before);
    await gpu.execute({ type: "deleteObject", object });
    expect(await reasonOf(look(gpu, object))).toBe("OBJECT_NOT_FOUND");
    gpu.device.checkInvariants();
  });

  test("[gem_madvise] DONT_NEED taken back in time keeps every byte; PURGED is for ever, and retained says which", async () => {
    const { gpu } = await tight();
    const id = await gpu.upload(BYTES);
    expect(await advise(gpu, id, "DONT_NEED")).toEqual({ retained: true });
    expect(await advise(gpu, id, "WILL_NEED")).toEqual({ retained: true });
    expect(hashOf(await gpu.download(id))).toBe(hashOf(BYTES));
    await advise(gpu, id, "DONT_NEED");
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    for (const advice of ["WILL_NEED", "DONT_NEED", "WILL_NEED"] as const) {
      expect(await advise(gpu, id, advice)).toEqual({ retained: false });
      expect((await look(gpu, id)).state).toBe("PURGED");
    }
    expect(await reasonOf(advise(gpu, "77", "DONT_NEED"))).toBe("OBJECT_NOT_FOUND");
  });

  test("[invariant 48] UNKNOWN is for ever too, whatever a client advises", async () => {
    const { gpu, swap } = await tight();
    const id = await unknownObject(gpu, swap);
    for (const advice of ["DONT_NEED", "WILL_NEED"] as const) {
      expect(await advise(gpu, id, advice)).toEqual({ retained: false });
      expect((await look(gpu, id)).state).toBe("UNKNOWN");
    }
    gpu.device.checkInvariants();
  });

  test("[invariant 60] a pinned object that nobody needs is not purged before it is unpinned", async () => {
    const { gpu } = await tight();
    const id = await gpu.upload(BYTES);
    await gpu.execute({ type: "pinObject", object: id });
    expect(await advise(gpu, id, "DONT_NEED")).toEqual({ retained: true });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect((await look(gpu, id)).state).toBe("RESIDENT");
    await gpu.execute({ type: "unpinObject", object: id });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect((await look(gpu, id)).state).toBe("PURGED");
  });

  test("what nobody needs makes room before anything is copied", async () => {
    const gpu = await bootVirtual();
    const kept = await gpu.upload(patternOf(2, 6 * MIB));
    const unneeded = await gpu.upload(patternOf(3, 8 * MIB));
    await advise(gpu, unneeded, "DONT_NEED");
    await gpu.upload(patternOf(4, 8 * MIB));
    expect((await look(gpu, unneeded)).state).toBe("PURGED");
    expect((await look(gpu, kept)).region).toBe("lmem0");
    expect(gpu.events.filter((event) => event.type === "evicted")).toEqual([]);
  });

  test("a suspend with verify survives an object that its own step 1 purges", async () => {
    const gpu = await bootVirtual();
    const id = await gpu.upload(BYTES);
    await advise(gpu, id, "DONT_NEED");
    await gpu.execute({ type: "suspend", state: "S3", verify: true });
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
  });
});
