/** Small BAR: the CPU reaches only the first 4 MiB of a local memory of 16 MiB. */
import { beforeEach, describe, expect, test } from "vitest";
import type { ObjectResource } from "../../../src/device/mod.ts";
import { MemoryStore, unsteadyCopier } from "../../support/regions.ts";
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

const WINDOW_BYTES = 4 * MIB;
const SMALL_BAR = { lmem: [{ sizeBytes: 16 * MIB, visibleBytes: WINDOW_BYTES }] };

let gpu: VirtualDevice;
beforeEach(async () => {
  gpu = await bootVirtual(SMALL_BAR);
});

describe("placement", () => {
  test("[kst:igt_mock_io_size] leaves the window alone until the rest is full, then uses all of it", async () => {
    const { visibleAvailableBytes } = await lmem0();
    for (let at = 0; at < 12; at++) await pinNew(MIB, ["lmem0"]);
    expect(await lmem0()).toMatchObject({ visibleAvailableBytes, availableBytes: visibleAvailableBytes });
    for (let at = 0; at < 3; at++) await pinNew(MIB, ["lmem0"]);
    expect((await lmem0()).visibleAvailableBytes).toBe(visibleAvailableBytes - 3 * MIB);
    await expectExactAccounts();
  });

  test("puts GPU_ONLY objects outside the window and CPU_ACCESS objects inside", async () => {
    const outside = await create(gpu, { flags: ["GPU_ONLY"] });
    const inside = await create(gpu, { flags: ["CPU_ACCESS"] });
    expect(endOf(await gpu.execute({ type: "pinObject", object: outside }))).toBeGreaterThan(WINDOW_BYTES);
    expect(endOf(await gpu.execute({ type: "pinObject", object: inside }))).toBeLessThanOrEqual(WINDOW_BYTES);
    expect((await look(gpu, outside)).extents[0].offsetBytes).toBeGreaterThanOrEqual(WINDOW_BYTES);
  });

  test("[gem_create@create-ext-cpu-access-big] an object with CPU_ACCESS that is larger than the window is placed in smem and evicts nobody; without the flag lmem0 takes it", async () => {
    const bystander = await gpu.upload(patternOf(1, MIB));
    const large = { sizeBytes: 5 * MIB, regions: ["lmem0", "smem"] };
    const flagged = await create(gpu, { ...large, flags: ["CPU_ACCESS"] });
    await gpu.execute({ type: "readObject", object: flagged, offsetBytes: 0, lengthBytes: 1 });
    const plain = await create(gpu, large);
    await gpu.execute({ type: "pinObject", object: plain });
    const regions = await Promise.all(
      [bystander, flagged, plain].map(async (id) => (await look(gpu, id)).region),
    );
    expect(regions).toEqual(["lmem0", "smem", "lmem0"]);
  });

  test("[invariant 57] accounts for every visible byte, whatever comes and goes", async () => {
    gpu = await bootVirtual({
      lmem: [{ ...SMALL_BAR.lmem[0], reserved: [{ offsetBytes: 3 * MIB, lengthBytes: 2 * MIB }] }],
    });
    const random = seededRandom(9);
    const ids: string[] = [];
    for (let step = 0; step < 120; step++) {
      const flags = ([[], ["GPU_ONLY"], ["CPU_ACCESS"], ["CONTIGUOUS"]] as const)[Math.floor(random() * 4)];
      const id = await create(gpu, { sizeBytes: Math.ceil(random() * 20) * 64 * KIB, flags });
      ids.push(id);
      await reasonOf(gpu.execute({ type: "moveObject", object: id, region: "lmem0" }));
      await gpu.execute({ type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 });
      if (random() < 0.2) await gpu.execute({ type: "evictRegion", region: "lmem0", bytes: 2 * MIB });
      const [object] = random() < 0.7 ? ids.splice(Math.floor(random() * ids.length), 1) : [];
      if (object !== undefined) await gpu.execute({ type: "deleteObject", object });
      await expectExactAccounts();
    }
    gpu.device.checkInvariants();
  });
});

describe("[kst:igt_mmap_migrate] CPU access to an object outside the window", () => {
  test("(a) moves it into the window when there is room", async () => {
    const { id, bytes } = await outside(MIB);
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
    expect(endOf(await look(gpu, id))).toBeLessThanOrEqual(WINDOW_BYTES);
    expect((await look(gpu, id)).region).toBe("lmem0");
    await expectExactAccounts();
  });

  test("(a) [invariant 61] makes room there by evicting from the window, and from nowhere else", async () => {
    const { id, bytes } = await outside(2 * MIB);
    const bystander = await outside(MIB);
    const inside = [];
    for (let seed = 0; seed < 3; seed++) {
      inside.push(await gpu.upload(patternOf(seed, MIB), { flags: ["CPU_ACCESS"] }));
    }
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
    expect((await look(gpu, id)).region).toBe("lmem0");
    expect((await look(gpu, bystander.id)).region).toBe("lmem0");
    expect(endOf(await look(gpu, bystander.id))).toBeGreaterThan(WINDOW_BYTES);
    const stayed = [];
    for (const each of inside) if ((await look(gpu, each)).region === "lmem0") stayed.push(each);
    expect(stayed).toEqual([inside[2]]);
  });

  test("(b) moves it to smem when the window is full of pinned objects", async () => {
    const { id, bytes } = await outside(MIB);
    await fillWindow();
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
    expect((await look(gpu, id)).region).toBe("smem");
  });

  test("(c) fails with NOT_CPU_VISIBLE when smem is not allowed, and the object stays as it was", async () => {
    const { id, bytes } = await outside(MIB, ["lmem0"]);
    await fillWindow();
    const before = await look(gpu, id);
    const read = { type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 } as const;
    expect(await reasonOf(gpu.execute(read))).toBe("NOT_CPU_VISIBLE");
    expect(await reasonOf(gpu.execute({ ...read, type: "checksumObject" }))).toBe("NOT_CPU_VISIBLE");
    const data = new Uint8Array(8);
    expect(await reasonOf(gpu.execute({ type: "writeObject", object: id, offsetBytes: 0, data }))).toBe(
      "NOT_CPU_VISIBLE",
    );
    expect((await look(gpu, id)).extents).toEqual(before.extents);
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(bytes));
    gpu.device.checkInvariants();
  });

  test("fails with NOT_CPU_VISIBLE when it is pinned there", async () => {
    const { id, bytes } = await outside(MIB);
    const { extents } = await gpu.execute({ type: "pinObject", object: id });
    const read = { type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 } as const;
    expect(await reasonOf(gpu.execute(read))).toBe("NOT_CPU_VISIBLE");
    expect((await look(gpu, id)).extents).toEqual(extents);
    await gpu.execute({ type: "unpinObject", object: id });
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
  });

  test("(c) does not wait for itself: an object that lies across the end of the window and fills it goes to smem at once, or fails at once", async () => {
    for (const regions of [["lmem0", "smem"], ["lmem0"]]) {
      gpu = await bootVirtual(SMALL_BAR);
      const bytes = patternOf(1, 3 * MIB);
      const id = await gpu.upload(bytes, { regions });
      await gpu.execute({ type: "evictRegion", region: "lmem0" });
      for (let at = 0; at < 11; at++) await pinNew(MIB, ["lmem0"]);
      const across = await gpu.execute({ type: "pinObject", object: id });
      expect(Math.min(...across.extents.map((extent) => extent.offsetBytes))).toBeLessThan(WINDOW_BYTES);
      expect(endOf(across)).toBeGreaterThan(WINDOW_BYTES);
      await fillWindow();
      await gpu.execute({ type: "unpinObject", object: id });
      const startNs = gpu.clock.monotonicNs();
      const read = { type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 } as const;
      expect(await reasonOf(gpu.execute(read))).toBe(regions.length === 2 ? "none" : "NOT_CPU_VISIBLE");
      expect(Number(gpu.clock.monotonicNs() - startNs)).toBeLessThan(50e6);
      expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(bytes));
    }
  });

  test("(d) with a blitter that fails between visible places is copied by the CPU, every byte", async () => {
    const bytes = patternOf(1, 2 * MIB);
    const id = await gpu.upload(bytes, { flags: ["CPU_ACCESS"] });
    const copier = unsteadyCopier(gpu);
    for (const region of ["smem", "lmem0", "smem", "lmem0"]) {
      copier.failures = 1;
      await gpu.execute({ type: "moveObject", object: id, region });
      expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(bytes));
    }
    expect(gpu.events.filter((event) => event.type === "blitterFallback")).toHaveLength(4);
  });

  test("(e) fails with COPY_FAILED when no blitter works, loses nothing, and works again with one", async () => {
    const { id, bytes } = await outside(MIB);
    const copier = unsteadyCopier(gpu);
    copier.failures = 1;
    const before = await look(gpu, id);
    const read = { type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 } as const;
    expect(await reasonOf(gpu.execute(read))).toBe("COPY_FAILED");
    expect((await look(gpu, id)).extents).toEqual(before.extents);
    gpu.device.checkInvariants();
    await expectExactAccounts();
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
  });
});

describe("without a blitter", () => {
  test("eviction of what the CPU cannot reach fails with COPY_FAILED, and nobody moved", async () => {
    const contents = new Map<string, Uint8Array>();
    for (let at = 0; at < 3; at++) {
      const { id, bytes } = await outside(MIB);
      contents.set(id, bytes);
    }
    const before = await gpu.execute({ type: "listRegions" });
    const blitter = gpu.device.memory.blitter;
    gpu.device.memory.blitter = undefined;
    expect(await reasonOf(gpu.execute({ type: "evictRegion", region: "lmem0" }))).toBe("COPY_FAILED");
    expect(await gpu.execute({ type: "listRegions" })).toEqual(before);
    gpu.device.checkInvariants();
    gpu.device.memory.blitter = blitter;
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("[invariant 7] [gem_eio@create-ext] objects are created, written, read and pinned within reach of the CPU", async () => {
    await gpu.clock.run(gpu.device.gt.setWedged("the test says so"));
    const bytes = patternOf(1, MIB);
    const id = await gpu.upload(bytes);
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
    const fresh = await create(gpu, { regions: ["lmem0"] });
    expect((await gpu.download(fresh)).every((byte) => byte === 0)).toBe(true);
    const pinned = await gpu.execute({ type: "pinObject", object: id });
    expect(endOf(pinned)).toBeLessThanOrEqual(WINDOW_BYTES);
  });

  test("[invariant 68] an object that may be in smem goes there when what is in its way cannot leave", async () => {
    const across = await create(gpu, { sizeBytes: 13 * MIB, flags: ["GPU_ONLY"] });
    await gpu.execute({ type: "pinObject", object: across });
    const { extents } = await gpu.execute({ type: "unpinObject", object: across });
    const starts = extents.map((extent) => extent.offsetBytes);
    expect([Math.min(...starts) < WINDOW_BYTES, Math.max(...starts) >= WINDOW_BYTES]).toEqual([true, true]);
    await gpu.clock.run(gpu.device.gt.setWedged("the test says so"));
    const bytes = patternOf(1, 3 * MIB);
    const id = await gpu.upload(bytes);
    expect((await look(gpu, id)).region).toBe("smem");
    expect(hashOf(await gpu.download(id))).toBe(hashOf(bytes));
    gpu.device.checkInvariants();
  });

  test("[invariant 44] a wedged device with objects that the CPU cannot reach aborts its suspend with COPY_FAILED; every byte stays", async () => {
    const { id, bytes } = await outside(MIB);
    await gpu.clock.run(gpu.device.gt.setWedged("the test says so"));
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", wedged: true });
    gpu.device.checkInvariants();
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(bytes));
  });
});

describe("the CPU itself", () => {
  test("[invariant 66] never writes beyond the window, also when it brings bytes back from swap", async () => {
    const swap = new MemoryStore(32 * MIB);
    gpu = await bootVirtual({ ...SMALL_BAR, smem: { sizeBytes: 3 * MIB }, swap });
    const contents = new Map<string, Uint8Array>();
    for (let seed = 0; seed < 3; seed++) {
      const bytes = patternOf(seed, 2 * MIB);
      contents.set(await gpu.upload(bytes), bytes);
      await gpu.execute({ type: "evictRegion", region: "lmem0" });
    }
    const swapped = [];
    for (const id of contents.keys()) if ((await look(gpu, id)).state === "SWAPPED") swapped.push(id);
    expect(swapped).toHaveLength(2);
    for (const object of swapped) {
      const pinned = await gpu.execute({ type: "pinObject", object });
      expect(endOf(pinned)).toBeGreaterThan(WINDOW_BYTES);
      expect(hashOf(bytesInPlace(gpu, object))).toBe(hashOf(contents.get(object) ?? new Uint8Array()));
    }
    // That a read from swap stays inside is asserted by the device itself.
    expect(swap.reads).toBeGreaterThan(0);
    gpu.device.checkInvariants();
  });
});

test("[xe_mmap@small-bar] objects inside and outside the window come through a suspend, each where it was pinned", async () => {
  const inside = {
    id: await gpu.upload(patternOf(1, MIB), { flags: ["CPU_ACCESS"] }),
    bytes: patternOf(1, MIB),
  };
  const objects = [inside, await outside(MIB), await outside(2 * MIB)];
  const before = [];
  for (const { id } of objects) before.push((await gpu.execute({ type: "pinObject", object: id })).extents);
  const loose = await outside(MIB);
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "resume" });
  const after = await Promise.all(objects.map(async ({ id }) => (await look(gpu, id)).extents));
  expect(after).toEqual(before);
  for (const { id, bytes } of [...objects, loose]) {
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(bytes));
  }
});

function lmem0() {
  return gpu.execute({ type: "getRegion", region: "lmem0" });
}

function endOf(object: ObjectResource): number {
  return Math.max(...object.extents.map((extent) => extent.offsetBytes + extent.lengthBytes));
}

let seeds = 100;
/** An unpinned object with content, outside the window: written within reach, sent away, and pinned for a moment. */
async function outside(
  sizeBytes: number,
  regions = ["lmem0", "smem"],
): Promise<{ id: string; bytes: Uint8Array }> {
  const bytes = patternOf(seeds++, sizeBytes);
  const id = await gpu.upload(bytes, { regions });
  const inTheWay = [];
  for (const each of await clientsIn("lmem0")) if (each.id !== id) inTheWay.push(each.id);
  for (const object of inTheWay) await gpu.execute({ type: "pinObject", object });
  await gpu.execute({ type: "evictRegion", region: "lmem0" });
  for (const object of inTheWay) await gpu.execute({ type: "unpinObject", object });
  await gpu.execute({ type: "pinObject", object: id });
  expect(
    (await gpu.execute({ type: "unpinObject", object: id })).extents[0].offsetBytes,
  ).toBeGreaterThanOrEqual(WINDOW_BYTES);
  return { id, bytes };
}

async function clientsIn(region: string): Promise<readonly ObjectResource[]> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
  return (await gpu.execute({ ...list, filter: { region } })).objects;
}

async function pinNew(sizeBytes: number, regions: string[]): Promise<void> {
  await gpu.execute({ type: "pinObject", object: await create(gpu, { sizeBytes, regions }) });
}

/** Pins objects in the window until it is full. */
async function fillWindow(): Promise<void> {
  for (let left = (await lmem0()).visibleAvailableBytes; left > 0; left -= 64 * KIB) {
    const object = await create(gpu, { sizeBytes: 64 * KIB, flags: ["CPU_ACCESS"] });
    await gpu.execute({ type: "pinObject", object });
  }
  expect((await lmem0()).visibleAvailableBytes).toBe(0);
}

/** Visible and whole memory of lmem0: free + reserved + the extents of everything that is there = size. */
async function expectExactAccounts(): Promise<void> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: true } as const;
  const { objects } = await gpu.execute({ ...list, filter: { region: "lmem0" } });
  const reserved =
    gpu.device.memory.region(1).reservedBytes > 0 ? [{ offsetBytes: 3 * MIB, lengthBytes: 2 * MIB }] : [];
  let used = 0;
  let visible = 0;
  for (const { offsetBytes, lengthBytes } of [...reserved, ...objects.flatMap((object) => object.extents)]) {
    used += lengthBytes;
    visible += Math.max(0, Math.min(WINDOW_BYTES, offsetBytes + lengthBytes) - offsetBytes);
  }
  expect(await lmem0()).toMatchObject({
    usedBytes: used,
    availableBytes: 16 * MIB - used,
    visibleAvailableBytes: WINDOW_BYTES - visible,
  });
}
