/**
 * Commands that meet at one object. A blitter that is held back keeps the first of them in the middle of its copy while
 * the others arrive.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { elapsedMs } from "../../../src/device/clock.ts";
import { OBJECT_WAIT_TIMEOUT_MS } from "../../../src/device/limits.ts";
import type { Command, CommandType, Results, WorkCommand } from "../../../src/device/mod.ts";
import { type UnsteadyCopier, unsteadyCopier } from "../../support/regions.ts";
import {
  ANY_OBJECT,
  bootVirtual,
  bytesInPlace,
  create,
  hashOf,
  look,
  MIB,
  patternOf,
  reasonOf,
  seededRandom,
  together,
  type VirtualDevice,
  wrongContents,
} from "../../support/test-device.ts";
import { newContext, submit } from "../../support/work.ts";

const BYTES = patternOf(1, MIB);

let gpu: VirtualDevice;
let copier: UnsteadyCopier;
let id: string;
beforeEach(async () => {
  gpu = await bootVirtual();
  id = await gpu.upload(BYTES);
  copier = unsteadyCopier(gpu);
});

/** Starts `first`, waits until it is in the middle of its copy, then starts the others. Answers the reasons of all. */
async function during(first: Command, others: readonly Command[]): Promise<string[]> {
  copier.hold();
  const answers = [reasonOf(gpu.device.execute(first))];
  await gpu.clock.advance(1);
  expect(copier.jobs, "the first command is copying").toBe(1);
  for (const command of others) answers.push(reasonOf(gpu.device.execute(command)));
  await gpu.clock.advance(50);
  copier.release();
  const reasons = await gpu.clock.run(Promise.all(answers));
  gpu.device.checkInvariants();
  return reasons;
}

const EVICT: Command = { type: "evictRegion", region: "lmem0" };

describe("while an object is being evicted", () => {
  test("a read waits, and sees every byte", async () => {
    const read = { type: "readObject", object: id, offsetBytes: 0, lengthBytes: MIB } as const;
    copier.hold();
    const evicting = gpu.device.execute(EVICT);
    await gpu.clock.advance(1);
    const reading = gpu.device.execute(read);
    const metadata = await gpu.device.execute({ type: "getObject", object: id });
    expect(metadata).toMatchObject({ region: "lmem0", state: "RESIDENT" });
    await gpu.clock.advance(1);
    copier.release();
    expect(hashOf(await gpu.clock.run(reading))).toBe(hashOf(BYTES));
    await gpu.clock.run(evicting);
    expect((await look(gpu, id)).region).toBe("smem");
  });

  test("[invariant 69] a write waits, and is not lost", async () => {
    const data = patternOf(2, 4096);
    const write = { type: "writeObject", object: id, offsetBytes: 5000, data } as const;
    expect(await during(EVICT, [write])).toEqual(["none", "none"]);
    const expected = new Uint8Array(BYTES);
    expected.set(data, 5000);
    expect((await look(gpu, id)).region).toBe("smem");
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(expected));
  });

  test("[invariant 65] [gem_lmem_evict@dontneed-evict-race] DONT_NEED waits for the copy; the object is purged after it, and no other is touched", async () => {
    const other = await gpu.upload(patternOf(3, MIB));
    const advise = { type: "adviseObject", object: id, advice: "DONT_NEED" } as const;
    expect(await during(EVICT, [advise])).toEqual(["none", "none"]);
    expect(await look(gpu, id)).toMatchObject({ region: "smem", state: "RESIDENT", madvise: "DONT_NEED" });
    expect(hashOf(await gpu.download(other))).toBe(hashOf(patternOf(3, MIB)));
  });

  test("a pin waits, and brings it back", async () => {
    expect(await during(EVICT, [{ type: "pinObject", object: id }])).toEqual(["none", "none"]);
    expect(await look(gpu, id)).toMatchObject({ region: "lmem0", pinCount: 1 });
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
  });

  test("of two deletions one answers OBJECT_NOT_FOUND, and so does all that waited behind", async () => {
    const others = [
      { type: "deleteObject", object: id },
      { type: "deleteObject", object: id },
      { type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 },
      { type: "pinObject", object: id },
      { type: "batchPinObjects", objects: [id] },
    ] as const;
    expect(await during(EVICT, others)).toEqual([
      "none",
      "none",
      "OBJECT_NOT_FOUND",
      "OBJECT_NOT_FOUND",
      "OBJECT_NOT_FOUND",
      "OBJECT_NOT_FOUND",
    ]);
  });

  test("a command that waited for a deleted object never gets the object that took its slot", async () => {
    const slot = gpu.device.memory.findObject(id);
    copier.hold();
    const evicting = gpu.device.execute(EVICT);
    await gpu.clock.advance(1);
    const deleting = gpu.device.execute({ type: "deleteObject", object: id });
    const waiting = reasonOf(gpu.device.execute({ type: "deleteObject", object: id }));
    const creating = deleting.then(() => gpu.device.execute({ ...ANY_OBJECT, label: "the next one" }));
    copier.release();
    await gpu.clock.run(Promise.all([evicting, creating]));
    expect(await gpu.clock.run(waiting)).toBe("OBJECT_NOT_FOUND");
    const next = (await creating).id;
    expect(gpu.device.memory.findObject(next)).toBe(slot);
    expect((await look(gpu, next)).label).toBe("the next one");
    gpu.device.checkInvariants();
  });

  test("[invariant 63] [kunit:ttm_bo_validate_move_fence_not_signaled] its space is granted to nobody before the copy has ended", async () => {
    const victim = await gpu.upload(patternOf(4, 13 * MIB));
    const { extents } = await look(gpu, victim);
    const newcomer = await create(gpu, { sizeBytes: 12 * MIB, regions: ["lmem0"] });
    copier.jobs = 0;
    copier.hold();
    const pinning = gpu.device.execute({ type: "pinObject", object: newcomer });
    await gpu.clock.advance(100);
    expect(await gpu.device.execute({ type: "getObject", object: victim })).toMatchObject({ extents });
    expect(await gpu.device.execute({ type: "getObject", object: newcomer })).toMatchObject({ extents: [] });
    copier.release();
    expect((await gpu.clock.run(pinning)).region).toBe("lmem0");
    expect(await wrongContents(gpu, new Map([[victim, patternOf(4, 13 * MIB)]]))).toEqual([]);
    expect(bytesInPlace(gpu, newcomer).every((byte) => byte === 0)).toBe(true);
  });

  test("a wedge in the middle of the copy is made good by the CPU", async () => {
    copier.failures = 1;
    expect(await during(EVICT, [])).toEqual(["none"]);
    expect(gpu.events.some((event) => event.type === "blitterFallback")).toBe(true);
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
  });

  test("a suspend waits for it, and every byte comes through", async () => {
    copier.hold();
    const evicting = gpu.device.execute(EVICT);
    await gpu.clock.advance(1);
    const suspending = gpu.device.execute({ type: "suspend", state: "S3" });
    await gpu.clock.advance(10);
    expect((await gpu.device.execute({ type: "getDevice" })).powerState).toBe("SUSPENDING");
    copier.release();
    await gpu.clock.run(Promise.all([evicting, suspending]));
    await gpu.execute({ type: "resume" });
    expect(hashOf(await gpu.download(id))).toBe(hashOf(BYTES));
    gpu.device.checkInvariants();
  });
});

describe("answers", () => {
  test("about an object are what was true of it, though it is deleted at once after that", async () => {
    const [moved] = await together(gpu, [
      { type: "moveObject", object: id, region: "smem" },
      { type: "deleteObject", object: id },
    ]);
    expect(moved).toMatchObject({ status: "fulfilled", value: { id, region: "smem", sizeBytes: MIB } });
  });

  test("of a listing are of objects that there are, while others are deleted", async () => {
    const ids = [id];
    for (let at = 0; at < 20; at++) ids.push(await create(gpu));
    const deletions = ids.map((object): Command => ({ type: "deleteObject", object }));
    const list: Command = { type: "listObjects", afterId: "", limit: 100, showDeviceOwned: false };
    const [listed] = await together(gpu, [list, ...deletions]);
    const page = listed.status === "fulfilled" ? (listed.value as Results["listObjects"]) : undefined;
    expect(page?.objects.map((object) => ids.includes(object.id))).toEqual(page?.objects.map(() => true));
  });

  test("of a listing go on after an object that is gone", async () => {
    const ids: string[] = [];
    for (let at = 0; at < 5; at++) ids.push(await create(gpu));
    await gpu.execute({ type: "batchDeleteObjects", objects: ids.slice(1, 4) });
    const { objects } = await gpu.execute({
      type: "listObjects",
      afterId: ids[1],
      limit: 1,
      showDeviceOwned: false,
    });
    expect(objects.map((object) => object.id)).toEqual([ids[4]]);
  });
});

test("a wait for work has one end, however much of it comes meanwhile", async () => {
  const busy = await bootVirtual({ engines: ["rcs0", "bcs0"] });
  const object = await create(busy);
  const uses: WorkCommand[] = [
    { op: "storeDword", object, offsetBytes: 0, value: 1 },
    { op: "spin", durationMs: 10_000 },
  ];
  const context = await newContext(busy, "rcs0");
  await submit(busy, context, ...uses);
  const waiting = reasonOf(busy.device.execute({ type: "pinObject", object }));
  const startNs = busy.clock.monotonicNs();
  await busy.clock.advance(1);
  await submit(busy, context, ...uses);
  expect(await busy.clock.run(waiting)).toBe("OBJECT_ACTIVE");
  expect(elapsedMs(startNs, busy.clock.monotonicNs())).toBeCloseTo(OBJECT_WAIT_TIMEOUT_MS, 0);
});

describe("while an object is being moved", () => {
  test("[kst:igt_lmem_async_migrate] another move waits: they happen in the order in which they came", async () => {
    const move = { type: "moveObject", object: id } as const;
    const reasons = await during({ ...move, region: "smem" }, [
      { ...move, region: "lmem0" },
      { ...move, region: "smem" },
      { ...move, region: "lmem0" },
    ]);
    expect(reasons).toEqual(["none", "none", "none", "none"]);
    expect((await look(gpu, id)).region).toBe("lmem0");
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
  });

  test("an eviction passes it over instead of waiting", async () => {
    const other = await gpu.upload(patternOf(5, MIB));
    copier.hold();
    const moving = gpu.device.execute({ type: "moveObject", object: id, region: "smem" });
    await gpu.clock.advance(1);
    const evicting = gpu.device.execute({ type: "evictRegion", region: "lmem0" });
    await gpu.clock.advance(1);
    copier.release();
    expect(await gpu.clock.run(evicting)).toEqual({ objects: 1, bytes: MIB });
    await gpu.clock.run(moving);
    expect((await look(gpu, other)).region).toBe("smem");
    gpu.device.checkInvariants();
  });

  test("its deletion waits, and its space is free at both ends after it", async () => {
    const reasons = await during({ type: "moveObject", object: id, region: "smem" }, [
      { type: "deleteObject", object: id },
    ]);
    expect(reasons).toEqual(["none", "none"]);
    const regions = await gpu.execute({ type: "listRegions" });
    expect(regions.map((region) => region.usedBytes - region.pinnedBytes)).toEqual([0, 0]);
  });
});

test("a checksum is of one moment: what is written meanwhile comes after it", async () => {
  const large = patternOf(6, 8 * MIB);
  const object = await gpu.upload(large);
  const writes = [0, 1, 2, 3].map(
    (at) =>
      ({ type: "writeObject", object, offsetBytes: at * 2 * MIB, data: patternOf(7 + at, 1000) }) as const,
  );
  const [checksum] = await together<CommandType>(gpu, [{ type: "checksumObject", object }, ...writes]);
  expect(checksum).toMatchObject({ value: { sha256Hex: hashOf(large) } });
});

test("an eviction passes over what is being read: the reader sees one content, and the object stays where it is", async () => {
  const large = patternOf(6, 8 * MIB);
  const object = await gpu.upload(large);
  await gpu.execute({ type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 });
  const [checksum, evicted] = await together<CommandType>(gpu, [
    { type: "checksumObject", object },
    { type: "evictRegion", region: "lmem0", bytes: 1 },
  ]);
  expect(checksum).toMatchObject({ value: { sha256Hex: hashOf(large) } });
  expect(evicted).toMatchObject({ value: { objects: 1, bytes: MIB } });
  expect((await look(gpu, object)).region).toBe("lmem0");
  gpu.device.checkInvariants();
});

test("commands of every kind on the same few objects at once end, with every byte and every pin accounted for", async () => {
  const random = seededRandom(8);
  const ids = [id];
  for (let seed = 0; seed < 5; seed++) ids.push(await gpu.upload(patternOf(seed, 4 * MIB)));
  for (let round = 0; round < 30; round++) {
    const commands: Command[] = [];
    for (let at = 0; at < 12; at++) {
      const object = ids[Math.floor(random() * ids.length)];
      const kinds: Command[] = [
        { type: "pinObject", object },
        { type: "unpinObject", object },
        { type: "moveObject", object, region: random() < 0.5 ? "smem" : "lmem0" },
        { type: "readObject", object, offsetBytes: 0, lengthBytes: 1000 },
        { type: "checksumObject", object },
        { type: "evictRegion", region: "lmem0", bytes: 6 * MIB },
        { type: "batchPinObjects", objects: ids.slice(0, 3) },
        { type: "batchUnpinObjects", objects: ids.slice(1, 4) },
      ];
      commands.push(kinds[Math.floor(random() * kinds.length)]);
    }
    const answers = await together(gpu, commands);
    for (const answer of answers) {
      if (answer.status === "fulfilled") continue;
      expect(["OBJECT_PINNED", "OBJECT_NOT_PINNED", "REGION_FULL"]).toContain(answer.reason.reason);
    }
    gpu.device.checkInvariants();
  }
  const contents = ids.map((each, at): [string, Uint8Array] => [
    each,
    at === 0 ? BYTES : patternOf(at - 1, 4 * MIB),
  ]);
  expect(await wrongContents(gpu, new Map(contents))).toEqual([]);
});
