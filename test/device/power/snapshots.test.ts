/** Snapshots in memory: what a restore brings back, what it does not, and what is refused. */
import { describe, expect, it } from "vitest";
import { DeviceError } from "../../../src/device/mod.ts";
import { MemoryStore } from "../../support/regions.ts";
import { bootWithSnapshots, lookAtAll, newStore, restore, take } from "../../support/snapshots.ts";
import {
  create,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  type TestDevice,
  wrongContents,
} from "../../support/test-device.ts";
import { finish, newContext, request, submit } from "../../support/work.ts";

const ENGINES = ["rcs0", "bcs0"];

/** A device in which there is something of everything. */
async function seeded() {
  const swap = new MemoryStore(32 * MIB);
  const gpu = await bootWithSnapshots({
    engines: ENGINES,
    lmem: [{ sizeBytes: 16 * MIB }],
    smem: { sizeBytes: 8 * MIB },
    swap,
  });
  swap.clock = gpu.clock;
  const contents = new Map<string, Uint8Array>();
  const add = async (seed: number, sizeBytes: number, spec = {}): Promise<string> => {
    const bytes = patternOf(seed, sizeBytes);
    const id = await gpu.upload(bytes, spec);
    contents.set(id, bytes);
    return id;
  };
  const pinned = await add(1, 3 * MIB, { label: "weights" });
  await gpu.execute({ type: "pinObject", object: pinned });
  await gpu.execute({ type: "pinObject", object: pinned });
  const plain = await add(2, 2 * MIB + 64 * KIB);
  for (let seed = 3; seed < 7; seed++) {
    const swapped = await add(seed, 3 * MIB + 20 * KIB, { regions: ["smem"] });
    await gpu.execute({ type: "readObject", object: swapped, offsetBytes: 0, lengthBytes: 1 });
  }
  await create(gpu, { sizeBytes: MIB, label: "never used" });
  const purged = await gpu.upload(patternOf(9, MIB));
  await gpu.execute({ type: "adviseObject", object: purged, advice: "DONT_NEED" });
  await gpu.execute({ type: "evictRegion", region: "lmem0" });
  const back = await add(10, 256 * KIB, { flags: ["CONTIGUOUS"] });
  const context = await newContext(gpu, "rcs0");
  await finish(gpu, await submit(gpu, context, { op: "loadRegister", register: 3, value: 77n }));
  await gpu.execute({ type: "updateRuntimePm", autosuspendDelayMs: 5000 });
  return { gpu, contents, pinned, plain, back, context };
}

/** Makes the device as different as it can be. */
async function disturb(
  gpu: TestDevice,
  { pinned, plain, back, context }: Awaited<ReturnType<typeof seeded>>,
) {
  await gpu.execute({ type: "unpinObject", object: pinned });
  await gpu.execute({ type: "writeObject", object: pinned, offsetBytes: 100_000, data: patternOf(50, 10) });
  await gpu.execute({ type: "moveObject", object: back, region: "smem" });
  await gpu.execute({ type: "deleteObject", object: plain });
  await gpu.upload(patternOf(51, 4 * MIB), { label: "later" });
  await finish(
    gpu,
    await submit(
      gpu,
      context,
      { op: "loadRegister", register: 3, value: 1n },
      { op: "fill", object: pinned, offsetBytes: MIB, lengthBytes: 8, pattern: 3 },
    ),
  );
  await newContext(gpu, "bcs0");
  await gpu.execute({ type: "updateRuntimePm", autosuspendDelayMs: 9000 });
}

/** Frees system memory for the backups of a suspend. */
async function makeRoom(gpu: TestDevice): Promise<void> {
  for (const object of ["3", "4", "5", "6"]) await gpu.execute({ type: "deleteObject", object });
}

describe("a restore", () => {
  it("brings back objects, bytes, places, order, contexts with registers, and settings, again and again", async () => {
    const things = await seeded();
    const { gpu, contents } = things;
    const states = (
      await gpu.execute({ type: "listObjects", afterId: "", limit: 100, showDeviceOwned: false })
    ).objects.map(({ state }) => state);
    expect([...new Set(states)].sort()).toEqual(["PURGED", "RESIDENT", "SWAPPED", "UNPOPULATED"]);
    await take(gpu, "seeded");
    const before = await lookAtAll(gpu);
    for (let round = 0; round < 3; round++) {
      await disturb(gpu, things);
      expect(await lookAtAll(gpu)).not.toEqual(before);
      const transition = await restore(gpu, "seeded");
      expect(transition).toMatchObject({ kind: "RESTORE", state: "SUCCEEDED" });
      gpu.device.checkInvariants();
      expect(await lookAtAll(gpu)).toEqual(before);
    }
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  it("makes later calls answer as they answered after the snapshot, ids included", async () => {
    const { gpu, context } = await seeded();
    await take(gpu, "seeded");
    const play = async () => {
      const object = await gpu.upload(patternOf(60, MIB), { label: "new" });
      const other = await newContext(gpu, "bcs0");
      const { createTimeNs: _time, etag: _etag, ...seen } = await look(gpu, object);
      return { seen, other, fence: await submit(gpu, context, { op: "spin", durationMs: 1 }) };
    };
    const first = await play();
    await restore(gpu, "seeded");
    expect(await play()).toEqual(first);
  });

  it("copies only what changed", async () => {
    const gpu = await bootWithSnapshots();
    const object = await gpu.upload(patternOf(1, 4 * MIB));
    expect(await take(gpu, "first")).toMatchObject({ contentBytes: 4 * MIB, copiedBytes: 4 * MIB });
    expect((await restore(gpu, "first")).restoredBytes).toBe(0);
    await gpu.execute({ type: "writeObject", object, offsetBytes: 4 * MIB - 1, data: patternOf(2, 1) });
    expect(await take(gpu, "second")).toMatchObject({ contentBytes: 4 * MIB, copiedBytes: 64 * KIB });
    expect((await restore(gpu, "first")).restoredBytes).toBe(64 * KIB);
    expect((await restore(gpu, "first")).restoredBytes).toBe(0);
    expect((await restore(gpu, "second")).restoredBytes).toBe(64 * KIB);
  });

  it("raises the generation, and no etag of before is one of after", async () => {
    const gpu = await bootWithSnapshots();
    const object = await gpu.upload(patternOf(1, MIB));
    await take(gpu, "s");
    const etags = new Set([(await look(gpu, object)).etag]);
    const { generation, uid } = await gpu.execute({ type: "getDevice" });
    for (let round = 1; round <= 3; round++) {
      await restore(gpu, "s");
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ uid, generation: generation + round });
      etags.add((await look(gpu, object)).etag);
    }
    expect(etags.size).toBe(4);
  });

  it("keeps transitions, and forgets fences", async () => {
    const { gpu, context } = await seeded();
    await take(gpu, "s");
    const fence = await submit(gpu, context, { op: "spin", durationMs: 1 });
    await finish(gpu, fence);
    await makeRoom(gpu);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    await restore(gpu, "s");
    const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 10 });
    expect(transitions.map(({ kind }) => kind)).toEqual(["RESTORE", "RESUME", "SUSPEND"]);
    expect(await reasonOf(gpu.execute({ type: "getFence", fence }))).toBe("FENCE_NOT_FOUND");
  });

  it("brings back what a suspend, a GT reset or a FACTORY reset has left behind", async () => {
    const { gpu, contents } = await seeded();
    await take(gpu, "s");
    await makeRoom(gpu);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    await restore(gpu, "s");
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
    await gpu.execute({ type: "resetDevice", scope: "GT" });
    await restore(gpu, "s");
    expect(await wrongContents(gpu, contents)).toEqual([]);
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    await restore(gpu, "s");
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  it("ends work that runs, and mends a wedged GT", async () => {
    const { gpu, contents, context } = await seeded();
    await take(gpu, "s");
    const hung = await submit(gpu, context, { op: "hang" });
    await restore(gpu, "s");
    expect(await reasonOf(gpu.execute({ type: "getFence", fence: hung }))).toBe("FENCE_NOT_FOUND");
    await gpu.clock.run(gpu.device.gt.setWedged("the test says so"));
    await restore(gpu, "s");
    expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
    await finish(gpu, await submit(gpu, context, { op: "spin", durationMs: 1 }));
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });
});

describe("a fork", () => {
  it("into an empty device has a uid of its own and shares nothing that it writes", async () => {
    const { gpu, contents, pinned } = await seeded();
    await take(gpu, "s");
    const { usedBytes } = gpu.store.pool;
    const swap = new MemoryStore(32 * MIB);
    const options = { name: "card1", uid: "11111111-4b5a-4978-8c6d-0123456789ab", engines: ENGINES, swap };
    const fork = await bootWithSnapshots({ ...options, smem: { sizeBytes: 8 * MIB } }, gpu.store);
    swap.clock = fork.clock;
    await restore(fork, "s");
    await fork.execute({ type: "writeObject", object: pinned, offsetBytes: 0, data: patternOf(70, MIB) });
    expect((await take(fork, "of-fork")).copiedBytes).toBeLessThan(1.5 * MIB);
    expect(gpu.store.pool.usedBytes - usedBytes).toBeLessThan(1.5 * MIB);
    await restore(fork, "s");
    expect(await wrongContents(fork, contents)).toEqual([]);
    expect((await fork.execute({ type: "getDevice" })).uid).toBe(options.uid);
    await restore(gpu, "s");
    expect(await wrongContents(gpu, contents)).toEqual([]);
    await take(fork, "s-of-fork");
    expect(await reasonOf(restore(gpu, "s-of-fork"))).toBe("DEVICE_NOT_EMPTY");
    fork.device.checkInvariants();
  });

  it("is refused by a device of other sizes or engines", async () => {
    const gpu = await bootWithSnapshots();
    await take(gpu, "s");
    const other = await bootWithSnapshots({ name: "card1", lmem: [{ sizeBytes: 32 * MIB }] }, gpu.store);
    expect(await reasonOf(restore(other, "s"))).toBe("SNAPSHOT_INCOMPATIBLE");
  });
});

describe("taking a snapshot", () => {
  it("waits for work, and is refused with what still runs", async () => {
    const { gpu, context } = await seeded();
    const fence = await submit(gpu, context, { op: "spin", durationMs: 100 });
    await take(gpu, "after");
    expect((await gpu.execute({ type: "getFence", fence })).state).toBe("SIGNALED");
    await submit(gpu, context, { op: "spin", durationMs: 2000 });
    const refused = await take(gpu, "never").catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DeviceError);
    expect(refused).toMatchObject({
      reason: "IDLE_TIMEOUT",
      message: expect.stringContaining(`context ${context} on rcs0 (1 requests)`),
    });
    expect(gpu.store.list().map(({ id }) => id)).toEqual(["after"]);
  });

  it("lets commands wait for its end", async () => {
    const { gpu, context, plain } = await seeded();
    await submit(gpu, context, { op: "spin", durationMs: 50 });
    const taking = gpu.device.execute({ type: "takeSnapshot", snapshot: "s", labels: {} });
    const read = gpu.device.execute({ type: "readObject", object: plain, offsetBytes: 0, lengthBytes: 8 });
    const [, bytes] = await gpu.clock.run(Promise.all([taking, read]));
    expect(bytes).toEqual(patternOf(2, 8));
  });

  it("is refused on a wedged device, without memory for it, under a name that is taken or none", async () => {
    const gpu = await bootWithSnapshots({}, newStore(MIB));
    await take(gpu, "s");
    const patient = gpu.execute({ type: "takeSnapshot", snapshot: "t", labels: {}, idleTimeoutMs: 10_001 });
    expect(await reasonOf(patient)).toBe("INVALID_REQUEST");
    expect(await reasonOf(take(gpu, "s"))).toBe("SNAPSHOT_EXISTS");
    expect(await reasonOf(take(gpu, "No name"))).toBe("INVALID_REQUEST");
    expect(await reasonOf(restore(gpu, "none"))).toBe("SNAPSHOT_NOT_FOUND");
    const { usedBytes } = gpu.store.pool;
    await gpu.upload(patternOf(1, 2 * MIB));
    expect(await reasonOf(take(gpu, "large"))).toBe("SNAPSHOT_MEMORY_EXHAUSTED");
    expect(gpu.store.pool.usedBytes).toBe(usedBytes);
    await gpu.clock.run(gpu.device.gt.setWedged("the test says so"));
    expect(await reasonOf(take(gpu, "wedged"))).toBe("DEVICE_WEDGED");
    gpu.store.delete("s");
    expect(gpu.store.pool.usedBytes).toBe(0);
    expect(await reasonOf(gpu.execute(request("1", [{ op: "hang" }])))).toBe("CONTEXT_NOT_FOUND");
  });
});
