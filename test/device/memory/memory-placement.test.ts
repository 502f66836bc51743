/** Where objects come to lie: the order of regions, moves between them, alignment, contiguity, and full regions. */
import { beforeEach, describe, expect, test } from "vitest";
import { unsteadyCopier } from "../../support/regions.ts";
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
  wrongContents,
} from "../../support/test-device.ts";
import { finish, newContext, SHORT, store, submit } from "../../support/work.ts";

let gpu: VirtualDevice;

describe("several regions", () => {
  beforeEach(async () => {
    gpu = await bootVirtual({
      lmem: [{ sizeBytes: 16 * MIB }, { sizeBytes: 4 * MIB, minPageBytes: 4 * KIB }],
      smem: { sizeBytes: 32 * MIB },
    });
  });

  test("[kunit:ttm_bo_validate_busy_placement] are tried in the object's order, the next when the one before is full of pinned objects", async () => {
    const regions = ["lmem1", "lmem0", "smem"];
    const places: string[] = [];
    for (let at = 0; at < 20; at++) {
      const id = await gpu.upload(patternOf(at, MIB), { regions });
      places.push((await look(gpu, id)).region);
      if (places[at] !== "smem") await gpu.execute({ type: "pinObject", object: id, region: places[at] });
    }
    expect(places).toEqual([...Array(4).fill("lmem1"), ...Array(15).fill("lmem0"), "smem"]);
    gpu.device.checkInvariants();
  });

  test("evict before they fall back: the newest objects have the preferred region", async () => {
    const places: string[] = [];
    const ids: string[] = [];
    for (let at = 0; at < 6; at++) {
      ids.push(await gpu.upload(patternOf(at, MIB), { regions: ["lmem1", "lmem0"] }));
    }
    for (const id of ids) places.push((await look(gpu, id)).region);
    expect(places).toEqual(["smem", "smem", "lmem1", "lmem1", "lmem1", "lmem1"]);
  });

  test("[invariant 5] [kst:igt_lmem_create_migrate] [kst:igt_smem_create_migrate] any number of moves between all of them keeps every byte", async () => {
    const random = seededRandom(11);
    const contents = new Map<string, Uint8Array>();
    const regions = ["lmem0", "lmem1", "smem"];
    for (let at = 0; at < 12; at++) {
      const bytes = patternOf(at, Math.ceil(random() * 24) * 64 * KIB);
      contents.set(await gpu.upload(bytes, { regions }), bytes);
    }
    const ids = [...contents.keys()];
    for (let move = 0; move < 150; move++) {
      const object = ids[Math.floor(random() * ids.length)];
      const region = regions[Math.floor(random() * 3)];
      const moved = await gpu.execute({ type: "moveObject", object, region });
      expect(moved.region).toBe(region);
      expect(hashOf(bytesInPlace(gpu, object))).toBe(hashOf(contents.get(object) ?? new Uint8Array()));
    }
    gpu.device.checkInvariants();
  });

  test("[kst:igt_same_create_migrate] [kunit:ttm_bo_validate_same_placement] a move to where the object is copies nothing", async () => {
    const id = await gpu.upload(patternOf(1, MIB));
    const copier = unsteadyCopier(gpu);
    const before = await look(gpu, id);
    const after = await gpu.execute({ type: "moveObject", object: id, region: "lmem0" });
    expect([after.extents, copier.jobs]).toEqual([before.extents, 0]);
  });

  test("[kst:igt_smem_create_migrate] refuse objects that do not allow them, and those that are not theirs to give", async () => {
    const id = await gpu.upload(patternOf(1, MIB), { regions: ["lmem0", "smem"] });
    for (const region of ["lmem1", "stolen", "lmem7", ""]) {
      expect(await reasonOf(gpu.execute({ type: "moveObject", object: id, region }))).toBe("INVALID_REGION");
      expect(await reasonOf(gpu.execute({ type: "pinObject", object: id, region }))).toBe("INVALID_REGION");
    }
    expect(await look(gpu, id)).toMatchObject({ region: "lmem0", pinCount: 0 });
  });

  test("a move of an object without bytes gives it zeroes there", async () => {
    const id = await create(gpu, { regions: ["lmem0", "lmem1"] });
    expect((await gpu.execute({ type: "moveObject", object: id, region: "lmem1" })).region).toBe("lmem1");
    expect(bytesInPlace(gpu, id).every((byte) => byte === 0)).toBe(true);
  });

  test("[kst:igt_lmem_create_with_ps] have their own pages, and an object's size is whole pages of the largest", async () => {
    const small = await create(gpu, { sizeBytes: 5000, regions: ["lmem1", "smem"] });
    const large = await create(gpu, { sizeBytes: 5000, regions: ["lmem1", "lmem0"] });
    expect([(await look(gpu, small)).sizeBytes, (await look(gpu, large)).sizeBytes]).toEqual([
      8 * KIB,
      64 * KIB,
    ]);
    gpu = await bootVirtual({ lmem: [{ sizeBytes: 32 * MIB, minPageBytes: 2 * MIB }] });
    const huge = await create(gpu, { sizeBytes: 1, regions: ["lmem0"] });
    const pinned = await gpu.execute({ type: "pinObject", object: huge });
    expect(pinned).toMatchObject({ sizeBytes: 2 * MIB, flags: ["USER", "CONTIGUOUS"] });
    expect(pinned.extents[0].offsetBytes % (2 * MIB)).toBe(0);
    gpu.device.checkInvariants();
  });
});

describe("one region", () => {
  /** What the device's own objects leave of lmem0. */
  let freeBytes = 0;
  beforeEach(async () => {
    gpu = await bootVirtual();
    freeBytes = (await lmem0()).availableBytes;
  });

  test("[kst:igt_mock_fill] [invariant 68] can be filled to its last page, then answers REGION_FULL, and serves again what is freed", async () => {
    const random = seededRandom(3);
    const pinned: string[] = [];
    for (let left = freeBytes; left > 0; ) {
      const sizeBytes = Math.min(left, Math.ceil(random() * 30) * 64 * KIB);
      pinned.push(await pin(sizeBytes));
      left -= sizeBytes;
    }
    expect(await lmem0()).toMatchObject({ availableBytes: 0, largestFreeBytes: 0 });
    const page = await create(gpu, { sizeBytes: 1, regions: ["lmem0"] });
    const full = gpu.execute({ type: "pinObject", object: page });
    await expect(full).rejects.toMatchObject({
      reason: "REGION_FULL",
      metadata: { region: "lmem0", sizeBytes: "65536", availableBytes: "0", largestFreeBytes: "0" },
    });
    const [object] = pinned;
    await gpu.execute({ type: "unpinObject", object });
    await gpu.execute({ type: "deleteObject", object });
    expect((await gpu.execute({ type: "pinObject", object: page })).region).toBe("lmem0");
    gpu.device.checkInvariants();
  });

  test("[kst:igt_mock_splintered_region] [kunit:drm_test_buddy_alloc_contiguous] splintered, has room for pages but not for one extent, until a neighbour goes", async () => {
    const pages: string[] = [];
    for (let at = 0; at < freeBytes / (64 * KIB); at++) pages.push(await pin(64 * KIB));
    for (const object of pages.filter((_, at) => at % 2 === 0)) await drop(object);
    expect(await lmem0()).toMatchObject({ largestFreeBytes: 64 * KIB });

    const contiguous = await create(gpu, { sizeBytes: 128 * KIB, regions: ["lmem0"], flags: ["CONTIGUOUS"] });
    expect(await reasonOf(gpu.execute({ type: "pinObject", object: contiguous }))).toBe("REGION_FULL");
    const scattered = await create(gpu, { sizeBytes: 128 * KIB, regions: ["lmem0"] });
    expect((await gpu.execute({ type: "pinObject", object: scattered })).extents).toHaveLength(2);
    await drop(scattered);

    await drop(pages[41]);
    const three = await create(gpu, { sizeBytes: 192 * KIB, regions: ["lmem0"], flags: ["CONTIGUOUS"] });
    expect((await gpu.execute({ type: "pinObject", object: three })).extents).toHaveLength(1);
    gpu.device.checkInvariants();
  });

  test("splintered by unpinned objects, makes one extent of it by eviction, and every byte is still there", async () => {
    const contents = new Map<string, Uint8Array>();
    for (let at = 0; at < 240; at++) {
      const bytes = patternOf(at, 64 * KIB);
      contents.set(await gpu.upload(bytes), bytes);
    }
    for (const object of [...contents.keys()].filter((_, at) => at % 2 === 0)) {
      await gpu.execute({ type: "deleteObject", object });
      contents.delete(object);
    }
    const whole = await create(gpu, { sizeBytes: 6 * MIB, regions: ["lmem0"], flags: ["CONTIGUOUS"] });
    expect((await gpu.execute({ type: "pinObject", object: whole })).extents).toHaveLength(1);
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("[invariant 56] aligns every extent as the object asked", async () => {
    const random = seededRandom(7);
    for (let at = 0; at < 30; at++) {
      const alignmentBytes = 2 ** (12 + Math.floor(random() * 10));
      const sizeBytes = Math.ceil(random() * 8) * 64 * KIB;
      const id = await create(gpu, { alignmentBytes, sizeBytes, regions: ["lmem0"] });
      const { extents } = await gpu.execute({ type: "pinObject", object: id });
      for (const { offsetBytes } of extents) {
        expect(offsetBytes % Math.max(64 * KIB, alignmentBytes)).toBe(0);
      }
      if (random() < 0.6) await drop(id);
    }
    gpu.device.checkInvariants();
  });

  test("[i915_query@query-regions-unallocated] counts as used what is resident, in whole pages, and nothing before or after", async () => {
    const id = await create(gpu, { sizeBytes: 100 * KIB, regions: ["lmem0"] });
    expect((await lmem0()).availableBytes).toBe(freeBytes);
    await gpu.execute({ type: "pinObject", object: id });
    expect(await lmem0()).toMatchObject({
      availableBytes: freeBytes - 128 * KIB,
      pinnedBytes: 16 * MIB - freeBytes + 128 * KIB,
    });
    await gpu.execute({ type: "unpinObject", object: id });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect((await lmem0()).availableBytes).toBe(freeBytes);
    await gpu.execute({ type: "deleteObject", object: id });
    const smem = await gpu.execute({ type: "getRegion", region: "smem" });
    expect(smem).toMatchObject({ usedBytes: 0, objectCount: 0 });
  });

  test("[invariant 57] is one free block for each power of two again when everything has gone", async () => {
    const random = seededRandom(5);
    const before = await gpu.execute({ type: "listRegions" });
    const ids: string[] = [];
    for (let at = 0; at < 60; at++) {
      const flags = random() < 0.3 ? (["CONTIGUOUS"] as const) : [];
      ids.push(await create(gpu, { sizeBytes: Math.ceil(random() * 2 * MIB), flags }));
      await gpu.execute({ type: "readObject", object: ids[at], offsetBytes: 0, lengthBytes: 1 });
    }
    while (ids.length > 0) {
      const [object] = ids.splice(Math.floor(random() * ids.length), 1);
      await gpu.execute({ type: "deleteObject", object });
    }
    // Blocks that differ in whether they are known to be zero stay apart until somebody needs them as one.
    const sizes = (regions: typeof before) => regions.map((each) => ({ ...each, largestFreeBytes: 0 }));
    expect(sizes(await gpu.execute({ type: "listRegions" }))).toEqual(sizes(before));
    const largest = { sizeBytes: 8 * MIB, alignmentBytes: 8 * MIB, regions: ["lmem0"] };
    const whole = await create(gpu, { ...largest, flags: ["CONTIGUOUS"] });
    expect((await gpu.execute({ type: "pinObject", object: whole })).extents).toHaveLength(1);
    gpu.device.checkInvariants();
  });
});

function lmem0() {
  return gpu.execute({ type: "getRegion", region: "lmem0" });
}

/** Pins a new object in lmem0 for good. */
async function pin(sizeBytes: number): Promise<string> {
  const id = await create(gpu, { sizeBytes, regions: ["lmem0"] });
  await gpu.execute({ type: "pinObject", object: id });
  return id;
}

async function drop(object: string): Promise<void> {
  await gpu.execute({ type: "unpinObject", object });
  await gpu.execute({ type: "deleteObject", object });
}

test("each place that an object gets is told, whether a client or work brings it there", async () => {
  const busy = await bootVirtual({ engines: ["rcs0", "bcs0"] });
  const told = () => busy.events.filter((event) => event.type === "allocated").map((event) => event.region);
  const object = await busy.upload(patternOf(1, MIB));
  const context = await newContext(busy, "rcs0");
  await finish(busy, await submit(busy, context, SHORT));
  await busy.execute({ type: "moveObject", object, region: "smem" });
  const before = told().length;
  await finish(busy, await submit(busy, context, store(object, 0, 1)));
  expect(told().slice(before)).toEqual(["lmem0"]);
});
