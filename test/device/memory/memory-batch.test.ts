/** Many objects in one call, all or none; and what is told of many: listings and accounts. */
import { beforeEach, describe, expect, test } from "vitest";
import { OBJECTS_MAX } from "../../../src/device/limits.ts";
import type { ListObjects } from "../../../src/device/mod.ts";
import { MemoryStore, unsteadyCopier } from "../../support/regions.ts";
import {
  ANY_OBJECT,
  bootVirtual,
  bytesInPlace,
  create,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  together,
  type VirtualDevice,
} from "../../support/test-device.ts";

const { type: _type, ...TEMPLATE } = {
  ...ANY_OBJECT,
  sizeBytes: 4 * KIB,
  regions: ["lmem0"],
  label: "batch",
};

let gpu: VirtualDevice;
beforeEach(async () => {
  gpu = await bootVirtual();
});

function make(count: number, change: Partial<typeof TEMPLATE> = {}): Promise<{ objects: readonly string[] }> {
  return gpu.execute({ type: "batchCreateObjects", template: { ...TEMPLATE, ...change }, count });
}

describe("a batch of 10,000", () => {
  test("is created, pinned, unpinned and deleted in one call each", async () => {
    gpu = await bootVirtual({ lmem: [{ sizeBytes: 48 * MIB, minPageBytes: 4 * KIB }] });
    const before = await gpu.execute({ type: "listRegions" });
    const { objects } = await make(10_000);
    expect([objects[0], objects[9999], new Set(objects).size]).toEqual(["1", "10000", 10_000]);
    await gpu.execute({ type: "batchPinObjects", objects });
    expect(await gpu.execute({ type: "getRegion", region: "lmem0" })).toMatchObject({
      pinnedObjectCount: 10_006,
    });
    gpu.device.checkInvariants();
    await gpu.execute({ type: "batchUnpinObjects", objects });
    await gpu.execute({ type: "batchDeleteObjects", objects });
    const sizes = (regions: typeof before) => regions.map((each) => ({ ...each, largestFreeBytes: 0 }));
    expect(sizes(await gpu.execute({ type: "listRegions" }))).toEqual(sizes(before));
    expect(await list({})).toEqual([]);
    gpu.device.checkInvariants();
  });

  test("is the most: one more is refused, and so is none", async () => {
    const tooMany = Array.from({ length: 10_001 }, (_, at) => String(at + 1));
    for (const count of [0, -1, 0.5, 10_001]) expect(await reasonOf(make(count))).toBe("INVALID_REQUEST");
    for (const objects of [[], tooMany]) {
      for (const type of ["batchPinObjects", "batchUnpinObjects", "batchDeleteObjects"] as const) {
        expect(await reasonOf(gpu.execute({ type, objects }))).toBe("INVALID_REQUEST");
      }
    }
    expect(await list({})).toEqual([]);
  });
});

describe("a batch of which one object refuses does nothing:", () => {
  const REFUSALS: readonly [string, (ids: readonly string[]) => string[], string][] = [
    ["an unknown id", (ids) => [...ids, "999"], "OBJECT_NOT_FOUND"],
    ["an id that is none", (ids) => ["lmem0", ...ids], "OBJECT_NOT_FOUND"],
    ["an id named twice", (ids) => [...ids, ids[2]], "INVALID_REQUEST"],
    ["an object of the device", (ids) => [...ids, "k1"], "INVALID_REQUEST"],
  ];
  const TYPES = ["batchPinObjects", "batchUnpinObjects", "batchDeleteObjects"] as const;
  test.each(TYPES.flatMap((type) => REFUSALS.map((refusal) => [type, ...refusal] as const)))(
    "%s with %s",
    async (type, _what, spoil, reason) => {
      const { objects } = await make(6);
      await gpu.execute({ type: "batchPinObjects", objects });
      if (type !== "batchUnpinObjects") await gpu.execute({ type: "batchUnpinObjects", objects });
      const before = await list({});
      expect(await reasonOf(gpu.execute({ type, objects: spoil(objects) }))).toBe(reason);
      expect(await list({})).toEqual(before);
      gpu.device.checkInvariants();
    },
  );

  test("batchCreateObjects with a template that is refused", async () => {
    expect(await reasonOf(make(5, { flags: ["KERNEL"] }))).toBe("INVALID_FLAGS");
    expect(await reasonOf(make(5, { sizeBytes: 0 }))).toBe("INVALID_SIZE");
    expect(await reasonOf(make(5, { regions: ["stolen"] }))).toBe("INVALID_REGION");
    expect(await list({})).toEqual([]);
  });

  test("batchUnpinObjects with one that is not pinned", async () => {
    const { objects } = await make(5);
    await gpu.execute({ type: "batchPinObjects", objects: objects.slice(0, 4) });
    const before = await list({});
    expect(await reasonOf(gpu.execute({ type: "batchUnpinObjects", objects }))).toBe("OBJECT_NOT_PINNED");
    expect(await list({})).toEqual(before);
  });

  test("batchDeleteObjects with one that is pinned", async () => {
    const { objects } = await make(5);
    await gpu.execute({ type: "pinObject", object: objects[3] });
    const before = await list({});
    expect(await reasonOf(gpu.execute({ type: "batchDeleteObjects", objects }))).toBe("OBJECT_PINNED");
    expect(await list({})).toEqual(before);
  });

  test("batchPinObjects with more than fits: REGION_FULL, nothing is pinned, and pins from before remain", async () => {
    const { objects } = await make(20, { sizeBytes: MIB });
    await gpu.execute({ type: "pinObject", object: objects[0] });
    expect(await reasonOf(gpu.execute({ type: "batchPinObjects", objects }))).toBe("REGION_FULL");
    const pins = (await list({})).map((object) => object.pinCount);
    expect(pins).toEqual([1, ...Array(19).fill(0)]);
    gpu.device.checkInvariants();
    await gpu.execute({ type: "batchPinObjects", objects: objects.slice(0, 15) });
    gpu.device.checkInvariants();
  });

  test("batchPinObjects with one that may not be there, or whose content is gone", async () => {
    const { objects } = await make(3, { regions: ["lmem0", "smem"] });
    const elsewhere = await create(gpu, { regions: ["smem"] });
    const pin = { type: "batchPinObjects", region: "lmem0" } as const;
    expect(await reasonOf(gpu.execute({ ...pin, objects: [...objects, elsewhere] }))).toBe("INVALID_REGION");
    await gpu.execute({ type: "adviseObject", object: objects[1], advice: "DONT_NEED" });
    expect(await reasonOf(gpu.execute({ ...pin, objects }))).toBe("OBJECT_PURGED");
    expect((await list({})).map((object) => object.pinCount)).toEqual([0, 0, 0, 0]);
    gpu.device.checkInvariants();
  });
});

describe("what a batch pins", () => {
  const SMALL_PAGES = { lmem: [{ sizeBytes: 16 * MIB, minPageBytes: 4 * KIB }] };

  /** Leaves foreign bytes in most of local memory, beyond the window of the CPU too. */
  async function soil(): Promise<void> {
    const ids: string[] = [];
    for (let seed = 1; seed <= 14; seed++)
      ids.push(await gpu.upload(patternOf(seed, MIB), { regions: ["lmem0"] }));
    await gpu.execute({ type: "batchPinObjects", objects: ids });
    await gpu.execute({ type: "batchUnpinObjects", objects: ids });
    await gpu.execute({ type: "batchDeleteObjects", objects: ids });
  }

  test("is cleared together, by an engine or when that fails by the CPU", async () => {
    for (const failures of [0, 1]) {
      gpu = await bootVirtual(SMALL_PAGES);
      await soil();
      const { objects } = await make(2000);
      const copier = unsteadyCopier(gpu);
      copier.failures = failures;
      await gpu.execute({ type: "batchPinObjects", objects });
      // One job for each batch of moves, not one for each object.
      expect(copier.jobs).toBe(2);
      for (const id of objects) expect(bytesInPlace(gpu, id).every((byte) => byte === 0)).toBe(true);
      expect(await gpu.execute({ type: "getRegion", region: "lmem0" })).toMatchObject({
        pinnedObjectCount: 2006,
      });
      gpu.device.checkInvariants();
    }
  });

  test("comes back together from system memory with its bytes, and what is in the way leaves together", async () => {
    gpu = await bootVirtual(SMALL_PAGES);
    const contents = new Map<string, Uint8Array>();
    const upload = async (seed: number): Promise<void> => {
      const bytes = patternOf(seed, 64 * KIB);
      contents.set(await gpu.upload(bytes, { regions: ["lmem0", "smem"] }), bytes);
    };
    for (let seed = 1; seed <= 200; seed++) await upload(seed);
    const objects = [...contents.keys()];
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    for (let seed = 201; seed <= 380; seed++) await upload(seed);
    const copier = unsteadyCopier(gpu);
    await gpu.execute({ type: "batchPinObjects", objects, region: "lmem0" });
    expect(copier.jobs).toBeLessThan(10);
    for (const object of await list({})) expect(object.pinCount).toBe(objects.includes(object.id) ? 1 : 0);
    for (const [id, bytes] of contents) expect(bytesInPlace(gpu, id)).toEqual(bytes);
    gpu.device.checkInvariants();
  });

  test("drives nobody out whose leaving would not help", async () => {
    const lmem = [{ sizeBytes: 16 * MIB, minPageBytes: 4 * KIB, visibleBytes: 4 * MIB }];
    gpu = await bootVirtual({ lmem });
    const regions = ["lmem0", "smem"];
    const inWindow = { flags: ["CPU_ACCESS"] as const, sizeBytes: 512 * KIB, regions };
    let reason = "none";
    while (reason === "none") {
      const object = await create(gpu, inWindow);
      reason = await reasonOf(gpu.execute({ type: "pinObject", object, region: "lmem0" }));
    }
    expect(reason).toBe("REGION_FULL");
    const beyond = (await make(6, { sizeBytes: MIB, regions })).objects;
    await gpu.execute({ type: "batchPinObjects", objects: beyond, region: "lmem0" });
    await gpu.execute({ type: "batchUnpinObjects", objects: beyond });
    const { objects } = await make(4, inWindow);
    const pin = { type: "batchPinObjects", objects, region: "lmem0" } as const;
    expect(await reasonOf(gpu.execute(pin))).toBe("REGION_FULL");
    const { objects: local } = await gpu.execute({
      type: "listObjects",
      afterId: "",
      limit: 1000,
      showDeviceOwned: false,
      filter: { region: "lmem0" },
    });
    expect(local.map((object) => object.id)).toEqual(expect.arrayContaining([...beyond]));
    gpu.device.checkInvariants();
  });

  test("stays where it was, and unpinned, when neither engine nor CPU can bring it", async () => {
    const lmem = [{ sizeBytes: 16 * MIB, minPageBytes: 4 * KIB, visibleBytes: 4 * MIB }];
    gpu = await bootVirtual({ lmem });
    await soil();
    const { objects } = await make(2000);
    const before = await list({});
    const free = await gpu.execute({ type: "getRegion", region: "lmem0" });
    unsteadyCopier(gpu).failures = 2;
    expect(await reasonOf(gpu.execute({ type: "batchPinObjects", objects }))).toBe("COPY_FAILED");
    expect((await list({})).map((object) => object.pinCount)).toEqual(before.map(() => 0));
    expect(await gpu.execute({ type: "getRegion", region: "lmem0" })).toMatchObject({
      pinnedObjectCount: free.pinnedObjectCount,
      availableBytes: free.availableBytes,
    });
    gpu.device.checkInvariants();
  });
});

test("batches that share objects in opposite orders, and single commands between them, never wait for each other for ever", async () => {
  const { objects } = await make(200, { sizeBytes: 64 * KIB, regions: ["lmem0", "smem"] });
  const reversed = objects.toReversed();
  const batches = await together(gpu, [
    { type: "batchPinObjects", objects },
    { type: "batchPinObjects", objects: reversed, region: "lmem0" },
    ...objects.slice(0, 50).map((object) => ({ type: "pinObject", object }) as const),
    { type: "evictRegion", region: "lmem0" },
    { type: "batchUnpinObjects", objects: reversed },
  ]);
  expect(batches.filter((answer) => answer.status === "rejected")).toEqual([]);
  const pins = (await list({})).map((object) => object.pinCount);
  expect(pins).toEqual([...Array(50).fill(2), ...Array(150).fill(1)]);
  gpu.device.checkInvariants();
});

test("of two batches that delete the same object one is refused, and all of its objects are as it found them", async () => {
  const { objects } = await make(100);
  const others = (await make(50)).objects;
  const answers = await together(gpu, [
    { type: "batchDeleteObjects", objects },
    { type: "batchDeleteObjects", objects: [...others, objects[99]] },
  ]);
  const [first, second] = answers.map((answer) => answer.status);
  expect([first, second].toSorted()).toEqual(["fulfilled", "rejected"]);
  const left = first === "fulfilled" ? others : objects.slice(0, 99);
  expect((await list({})).map((object) => object.id)).toEqual(left);
  gpu.device.checkInvariants();
});

test("a batch that would pass the limit of objects creates none; one that reaches it creates all", async () => {
  const { table } = gpu.device.memory;
  const taken: number[] = [];
  while (table.count < OBJECTS_MAX - 5) taken.push(table.allocate());
  expect(await reasonOf(make(6))).toBe("LIMIT_EXCEEDED");
  expect(table.count).toBe(OBJECTS_MAX - 5);
  expect((await make(5)).objects).toHaveLength(5);
  expect(await reasonOf(gpu.execute(ANY_OBJECT))).toBe("LIMIT_EXCEEDED");
  for (const slot of taken) table.free(slot);
  expect(await list({})).toHaveLength(5);
});

describe("usage", () => {
  test("adds up by label: bytes in local and system memory, in swap and pinned are what the objects say", async () => {
    gpu = await bootVirtual({ smem: { sizeBytes: 6 * MIB }, swap: new MemoryStore(16 * MIB) });
    for (let seed = 0; seed < 30; seed++) {
      const bytes = patternOf(seed, (1 + (seed % 3)) * 256 * KIB);
      const id = await gpu.upload(bytes, {
        label: `job-${seed % 4}`,
        regions: seed % 2 === 0 ? ["smem"] : ["lmem0"],
      });
      if (seed % 5 === 0) await gpu.execute({ type: "pinObject", object: id });
      if (seed % 11 === 0) await create(gpu, { label: "empty" });
    }
    await gpu.execute({ type: "evictRegion", region: "lmem0", bytes: 2 * MIB });
    const expected = new Map<string, Record<string, number | string>>();
    for (const object of await list({})) {
      const account = expected.get(object.label) ?? zeroAccount(object.label);
      expected.set(object.label, account);
      const add = (key: string): void => {
        account[key] = Number(account[key]) + object.sizeBytes;
      };
      account.objects = Number(account.objects) + 1;
      if (object.state === "SWAPPED") add("swappedBytes");
      if (object.region === "smem") add("systemBytes");
      if (object.region === "lmem0") add("localBytes");
      if (object.pinCount > 0) add("pinnedBytes");
    }
    const usage = await gpu.execute({ type: "getUsage" });
    expect(usage).toEqual([...expected.values()]);
    for (const key of ["swappedBytes", "systemBytes", "localBytes", "pinnedBytes"] as const) {
      expect(
        usage.some((account) => account[key] > 0),
        key,
      ).toBe(true);
    }
  });

  test("of more labels than it tells apart is still complete", async () => {
    for (let at = 0; at < 1005; at++) await create(gpu, { label: `label ${at}` });
    const usage = await gpu.execute({ type: "getUsage" });
    expect(usage).toHaveLength(1001);
    expect(usage.find((account) => account.label === "*")?.objects).toBe(5);
  });
});

describe("a listing", () => {
  test("shows what its filter says and nothing else, page by page", async () => {
    const ids: string[] = [];
    for (let at = 0; at < 40; at++)
      ids.push(await create(gpu, { label: at % 3 === 0 ? "a" : "b", sizeBytes: 1 }));
    for (const object of ids.filter((_, at) => at % 2 === 0)) {
      await gpu.execute({ type: "moveObject", object, region: at4(object) ? "lmem0" : "smem" });
    }
    await gpu.execute({ type: "adviseObject", object: ids[1], advice: "DONT_NEED" });
    const all = await list({});
    const filters: NonNullable<ListObjects["filter"]>[] = [
      { region: "lmem0" },
      { region: "smem" },
      { region: "" },
      { state: "PURGED" },
      { state: "RESIDENT" },
      { label: "a" },
      { label: "a", region: "lmem0" },
      { label: "b", state: "UNPOPULATED" },
      { label: "nobody's" },
    ];
    for (const filter of filters) {
      const expected = all.filter((object) =>
        Object.entries(filter).every(([key, value]) => object[key as "region" | "state" | "label"] === value),
      );
      expect(await list({ filter, limit: 3 }), JSON.stringify(filter)).toEqual(expected);
    }
  });

  test("of a page size that is none is refused", async () => {
    for (const limit of [0, -1, 1.5, 1001]) {
      const page = { type: "listObjects", afterId: "", limit, showDeviceOwned: false } as const;
      expect(await reasonOf(gpu.execute(page))).toBe("INVALID_REQUEST");
    }
  });

  test("puts the device's own objects after the clients', whatever the size of a page", async () => {
    await make(5);
    const owned = ["k1", "k2", "k3", "k4", "k5", "k6"];
    for (const limit of [1, 2, 5, 6, 100]) {
      const objects = await list({ limit, showDeviceOwned: true });
      expect(objects.map((object) => object.id)).toEqual(["1", "2", "3", "4", "5", ...owned]);
    }
  });
});

function at4(object: string): boolean {
  return Number(object) % 4 === 1;
}

function zeroAccount(label: string): Record<string, number | string> {
  return { label, objects: 0, localBytes: 0, systemBytes: 0, swappedBytes: 0, pinnedBytes: 0 };
}

/** Every object of a listing, page after page. */
async function list(change: Partial<Omit<ListObjects, "type">>) {
  const objects = [];
  let afterId = "";
  do {
    const page = { type: "listObjects", limit: 1000, showDeviceOwned: false, ...change, afterId } as const;
    const answer = await gpu.execute(page);
    objects.push(...answer.objects);
    afterId = answer.nextAfterId;
  } while (afterId !== "");
  return objects;
}
