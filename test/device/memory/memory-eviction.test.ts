/** Who has to leave a region, in which order, where to, and what happens when nobody can. */
import { describe, expect, test } from "vitest";
import { readContent, writeContent } from "../../../src/device/memory/content.ts";
import { checkMemoryInvariants } from "../../../src/device/memory/invariants.ts";
import { createObject, evictRegion } from "../../../src/device/memory/objects.ts";
import { bareMemory, busyObjects, busyRegion } from "../../support/regions.ts";
import {
  ANY_OBJECT,
  bootVirtual,
  bytesInPlace,
  create,
  hashOf,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  together,
  type VirtualDevice,
  wrongContents,
} from "../../support/test-device.ts";

describe("the order of eviction", () => {
  test("[invariant 61] is: what may be thrown away, the rest, what occupies a small window; least recently used first in each", async () => {
    const gpu = await bootVirtual({ lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 8 * MIB }] });
    const window = await upload(gpu, ["CPU_ACCESS"], 1);
    const plain = [await upload(gpu, [], 2), await upload(gpu, [], 3), await upload(gpu, [], 4)];
    const volatile = await upload(gpu, ["VOLATILE"], 5);
    const unneeded = await upload(gpu, [], 6);
    await gpu.execute({ type: "adviseObject", object: unneeded, advice: "DONT_NEED" });
    expect(await leavingOrder(gpu, [window, ...plain, volatile, unneeded])).toEqual([
      volatile,
      unneeded,
      ...plain,
      window,
    ]);
  });

  test.each<[string, (gpu: VirtualDevice, object: string) => Promise<unknown>]>([
    ["reading", (gpu, object) => gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: 1 })],
    [
      "writing",
      (gpu, object) =>
        gpu.execute({ type: "writeObject", object, offsetBytes: 9, data: new Uint8Array([1]) }),
    ],
    ["a checksum", (gpu, object) => gpu.execute({ type: "checksumObject", object })],
    [
      "moving it to where it is",
      (gpu, object) => gpu.execute({ type: "moveObject", object, region: "lmem0" }),
    ],
    [
      "pinning and unpinning",
      async (gpu, object) => {
        await gpu.execute({ type: "pinObject", object });
        await gpu.execute({ type: "unpinObject", object });
      },
    ],
    [
      "DONT_NEED taken back",
      async (gpu, object) => {
        await gpu.execute({ type: "adviseObject", object, advice: "DONT_NEED" });
        await gpu.execute({ type: "adviseObject", object, advice: "WILL_NEED" });
      },
    ],
  ])("counts %s as a use", async (_what, use) => {
    const gpu = await bootVirtual();
    const objects = [await upload(gpu, [], 1), await upload(gpu, [], 2), await upload(gpu, [], 3)];
    await use(gpu, objects[0]);
    expect(await leavingOrder(gpu, objects)).toEqual([objects[1], objects[2], objects[0]]);
  });

  test.each([0, 1, 2])(
    "is the same after an eviction for which there was room for %i objects",
    async (room) => {
      const gpu = await bootVirtual({ smem: { sizeBytes: 3 * MIB } });
      const blocker = await upload(gpu, [], 9, (3 - room) * MIB, ["smem"]);
      const objects: string[] = [];
      for (let seed = 0; seed < 5; seed++) objects.push(await upload(gpu, [], seed, MIB));
      const evict = gpu.execute({ type: "evictRegion", region: "lmem0" });
      expect(await reasonOf(evict)).toBe("SYSTEM_MEMORY_EXHAUSTED");
      const left = [];
      for (const id of objects) if ((await look(gpu, id)).region === "lmem0") left.push(id);
      expect(left).toEqual(objects.slice(room));
      for (const object of [blocker, ...objects.slice(0, room)]) {
        await gpu.execute({ type: "deleteObject", object });
      }
      expect(await leavingOrder(gpu, left.slice(0, 3))).toEqual(left.slice(0, 3));
    },
  );
});

describe("victims", () => {
  test("[kunit:ttm_bo_validate_allowed_only_evict] pinned and busy objects are passed over, and the only one left goes", async () => {
    const gpu = await bootVirtual();
    const pinned = await upload(gpu, [], 1, 5 * MIB);
    const busy = await upload(gpu, [], 2, 5 * MIB);
    const allowed = await upload(gpu, [], 3, 4 * MIB);
    await gpu.execute({ type: "pinObject", object: pinned });
    const release = busyObjects(gpu, [busy]);
    const newcomer = await upload(gpu, [], 4, 4 * MIB, ["lmem0"]);
    release();
    const regions = await Promise.all(
      [pinned, busy, allowed, newcomer].map(async (id) => (await look(gpu, id)).region),
    );
    expect(regions).toEqual(["lmem0", "lmem0", "smem", "lmem0"]);
    gpu.device.checkInvariants();
  });

  test("[invariant 61] are none when all that can leave would not make room", async () => {
    const gpu = await bootVirtual();
    const pinned = await upload(gpu, [], 1, 8 * MIB);
    await gpu.execute({ type: "pinObject", object: pinned });
    const bystander = await upload(gpu, [], 2, 4 * MIB);
    const large = await create(gpu, { sizeBytes: 9 * MIB, regions: ["lmem0"] });
    expect(await reasonOf(gpu.execute({ type: "pinObject", object: large }))).toBe("REGION_FULL");
    expect((await look(gpu, bystander)).region).toBe("lmem0");
  });

  test("[invariant 61] are none when even an empty region could not hold the object", async () => {
    const gpu = await bootVirtual({ lmem: [{ sizeBytes: 16 * MIB }, { sizeBytes: 4 * MIB }] });
    const bystander = await upload(gpu, [], 1, MIB, ["lmem1"]);
    const large = await upload(gpu, [], 2, 8 * MIB, ["lmem1", "smem"]);
    const aligned = await create(gpu, { alignmentBytes: 8 * MIB, regions: ["lmem1", "smem"] });
    await gpu.execute({ type: "readObject", object: aligned, offsetBytes: 0, lengthBytes: 1 });
    const regions = await Promise.all(
      [bystander, large, aligned].map(async (id) => (await look(gpu, id)).region),
    );
    expect(regions).toEqual(["lmem1", "smem", "smem"]);
  });

  test("a region whose objects are all in other hands is full, after a bounded wait", async () => {
    const gpu = await bootVirtual();
    const first = await upload(gpu, [], 1, 12 * MIB);
    const release = busyRegion(gpu, "lmem0");
    const only = await create(gpu, { sizeBytes: 8 * MIB, regions: ["lmem0"] });
    const either = await create(gpu, { sizeBytes: 8 * MIB });
    const startNs = gpu.clock.monotonicNs();
    const write = { type: "writeObject", offsetBytes: 0, data: new Uint8Array(8) } as const;
    expect(await reasonOf(gpu.execute({ ...write, object: only }))).toBe("REGION_FULL");
    await gpu.execute({ ...write, object: either });
    expect(Number(gpu.clock.monotonicNs() - startNs)).toBeLessThan(2e9);
    release();
    expect((await look(gpu, either)).region).toBe("smem");
    expect((await look(gpu, first)).region).toBe("lmem0");
    gpu.device.checkInvariants();
  });

  test("that somebody lets go of in time are evicted after all", async () => {
    const gpu = await bootVirtual();
    const first = await upload(gpu, [], 1, 12 * MIB);
    const release = busyRegion(gpu, "lmem0");
    gpu.clock.startTimer(100, release);
    const only = await upload(gpu, [], 2, 8 * MIB, ["lmem0"]);
    expect([(await look(gpu, first)).region, (await look(gpu, only)).region]).toEqual(["smem", "lmem0"]);
  });

  test("[invariant 68] that are on their way out for somebody else are waited for: two commands that need the same room both get it", async () => {
    const gpu = await bootVirtual();
    const large = patternOf(1, 14 * MIB);
    const victim = await gpu.upload(large);
    const wanting = [];
    for (let at = 0; at < 3; at++)
      wanting.push(await create(gpu, { sizeBytes: 4 * MIB, regions: ["lmem0"] }));
    const answers = await together(
      gpu,
      wanting.map((object) => ({ type: "pinObject", object }) as const),
    );
    expect(answers.map((answer) => answer.status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    expect(await wrongContents(gpu, new Map([[victim, large]]))).toEqual([]);
    gpu.device.checkInvariants();
  });
});

describe("where to", () => {
  test("[invariant 62] an object that allows only lmem0 is evicted to system memory all the same, is used there, and returns when it is pinned", async () => {
    const gpu = await bootVirtual();
    const bytes = patternOf(1, MIB);
    const id = await gpu.upload(bytes, { regions: ["lmem0"] });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect(await look(gpu, id)).toMatchObject({ region: "smem", regions: ["lmem0"], state: "RESIDENT" });
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
    expect((await look(gpu, id)).region).toBe("smem");
    expect(await reasonOf(gpu.execute({ type: "moveObject", object: id, region: "smem" }))).toBe(
      "INVALID_REGION",
    );
    expect((await gpu.execute({ type: "pinObject", object: id })).region).toBe("lmem0");
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(bytes));
  });

  test("[invariant 60] pinned objects stay, whatever is asked for", async () => {
    const gpu = await bootVirtual();
    const pinned = await upload(gpu, [], 1, 8 * MIB);
    const { extents } = await gpu.execute({ type: "pinObject", object: pinned });
    await gpu.execute({ type: "adviseObject", object: pinned, advice: "DONT_NEED" });
    for (let seed = 2; seed < 20; seed++) await upload(gpu, [], seed, MIB);
    expect(await gpu.execute({ type: "evictRegion", region: "lmem0" })).toMatchObject({ objects: 7 });
    expect(await look(gpu, pinned)).toMatchObject({ region: "lmem0", extents, state: "RESIDENT" });
    expect(hashOf(bytesInPlace(gpu, pinned))).toBe(hashOf(patternOf(1, 8 * MIB)));
  });

  test("evictRegion stops when it has evicted as much as was asked for", async () => {
    const gpu = await bootVirtual();
    for (let seed = 0; seed < 6; seed++) await upload(gpu, [], seed, MIB);
    const evict = { type: "evictRegion", region: "lmem0" } as const;
    expect(await gpu.execute({ ...evict, bytes: 0 })).toEqual({ objects: 0, bytes: 0 });
    expect(await gpu.execute({ ...evict, bytes: MIB + 1 })).toEqual({ objects: 2, bytes: 2 * MIB });
    expect(await gpu.execute(evict)).toEqual({ objects: 4, bytes: 4 * MIB });
    expect(await reasonOf(gpu.execute({ ...evict, region: "smem" }))).toBe("INVALID_REGION");
    expect(await reasonOf(gpu.execute({ ...evict, region: "lmem9" }))).toBe("REGION_NOT_FOUND");
  });
});

describe("without room in system memory", () => {
  test("[kunit:ttm_bo_validate_busy_domain_evict] a region full of unpinned objects whose way out is blocked answers SYSTEM_MEMORY_EXHAUSTED, and nobody moved", async () => {
    const gpu = await bootVirtual({ smem: { sizeBytes: 2 * MIB } });
    const blocker = await upload(gpu, [], 1, 2 * MIB, ["smem"]);
    await gpu.execute({ type: "pinObject", object: blocker });
    const contents = new Map<string, Uint8Array>();
    for (let seed = 2; seed < 16; seed++) {
      contents.set(await upload(gpu, [], seed, MIB, ["lmem0"]), patternOf(seed, MIB));
    }
    const before = await gpu.execute({ type: "listRegions" });
    const more = await create(gpu, { sizeBytes: 4 * MIB, regions: ["lmem0"] });
    expect(await reasonOf(gpu.execute({ type: "pinObject", object: more }))).toBe("SYSTEM_MEMORY_EXHAUSTED");
    expect(await gpu.execute({ type: "listRegions" })).toEqual(before);
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("[kunit:ttm_bo_validate_failed_alloc] [invariant 59] whichever allocation fails, some objects are evicted whole and the others not at all", async () => {
    for (let failing = 1; failing <= 6; failing++) {
      const { memory, system, run } = bareMemory();
      const ids: string[] = [];
      for (let seed = 1; seed <= 5; seed++) {
        const id = memory.idOf(createObject(memory, { ...ANY_OBJECT, regions: ["lmem0"] }));
        ids.push(id);
        await run(writeContent(memory, { object: id, offsetBytes: 0, data: patternOf(seed, MIB) }));
      }
      system.refuses = (allocation) => allocation === failing || allocation === failing + 1;
      const evicted = await reasonOf(run(evictRegion(memory, "lmem0", undefined)));
      // What left before the failure makes way for the rest in a second batch.
      expect(evicted).toBe(failing === 1 ? "SYSTEM_MEMORY_EXHAUSTED" : "none");
      checkMemoryInvariants(memory);
      expect(system.objectCount).toBe(failing === 1 ? 0 : 5);
      for (const [at, id] of ids.entries()) {
        expect(hashOf(await run(readContent(memory, { object: id, offsetBytes: 0, lengthBytes: MIB })))).toBe(
          hashOf(patternOf(at + 1, MIB)),
        );
      }
    }
  });

  test("a full host says so, loses nothing, and serves again when there is room", async () => {
    const gpu = await bootVirtual({ smem: { sizeBytes: 4 * MIB } });
    const contents = new Map<string, Uint8Array>();
    let reason = "none";
    for (let seed = 0; reason === "none"; seed++) {
      const id = await create(gpu);
      const data = patternOf(seed, MIB);
      reason = await reasonOf(gpu.execute({ type: "writeObject", object: id, offsetBytes: 0, data }));
      if (reason === "none") contents.set(id, data);
      else expect(await look(gpu, id)).toMatchObject({ state: "UNPOPULATED", region: "", extents: [] });
    }
    expect(reason).toBe("SYSTEM_MEMORY_EXHAUSTED");
    expect(await wrongContents(gpu, contents)).toEqual([]);
    const [object] = contents.keys();
    await gpu.execute({ type: "deleteObject", object });
    contents.delete(object);
    contents.set(await gpu.upload(patternOf(99, MIB)), patternOf(99, MIB));
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
  });
});

async function upload(
  gpu: VirtualDevice,
  flags: (typeof ANY_OBJECT)["flags"],
  seed: number,
  sizeBytes = 64 * KIB,
  regions = ["lmem0", "smem"],
): Promise<string> {
  return gpu.upload(patternOf(seed, sizeBytes), { flags, regions });
}

/** Evicts one object at a time. Answers the ids in the order in which they left. */
async function leavingOrder(gpu: VirtualDevice, ids: readonly string[]): Promise<string[]> {
  const order: string[] = [];
  while (order.length < ids.length) {
    const { objects } = await gpu.execute({ type: "evictRegion", region: "lmem0", bytes: 1 });
    expect(objects).toBe(1);
    for (const id of ids) {
      if (!order.includes(id) && (await look(gpu, id)).region !== "lmem0") order.push(id);
    }
  }
  return order;
}
