/** The table of docs/snapshots.md: what a restore brings back and what it does not, each row held against a device. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ObjectResource } from "../../../src/device/mod.ts";
import { MemoryStore } from "../../support/regions.ts";
import { bootWithSnapshots, restore, take } from "../../support/snapshots.ts";
import {
  bytesInPlace,
  create,
  hashOf,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";
import { finish, newContext, submit } from "../../support/work.ts";

const ROWS = [
  ...readFileSync(new URL("../../../docs/snapshots.md", import.meta.url), "utf8").matchAll(
    /^\| (.+?) \| (yes|no) \|$/gm,
  ),
].map(([, what, comesBack]) => ({ what, comesBack }));

async function objects(gpu: VirtualDevice): Promise<readonly ObjectResource[]> {
  const list = { type: "listObjects", afterId: "", limit: 100, showDeviceOwned: false } as const;
  return (await gpu.execute(list)).objects;
}

async function pick(gpu: VirtualDevice, of: (object: ObjectResource) => unknown): Promise<unknown> {
  return (await objects(gpu)).map(of);
}

/** What each row is about. What changes the device itself comes back to where it was by a restore of its own. */
const CHECKS: Readonly<Record<string, (gpu: VirtualDevice) => unknown>> = {
  "objects: ids, uids, labels, flags, sizes, creation times": (gpu) =>
    pick(gpu, ({ id, uid, label, flags, sizeBytes, regions, createTimeNs }) => [
      ...[id, uid, label, flags, sizeBytes, regions, createTimeNs],
    ]),
  "content, by hash": async (gpu) => {
    const resident = (await objects(gpu)).filter(({ state }) => state === "RESIDENT");
    return resident.map(({ id }) => hashOf(bytesInPlace(gpu, id)));
  },
  "places: region and extents": (gpu) => pick(gpu, ({ region, extents }) => [region, extents]),
  "states: UNPOPULATED, RESIDENT, SWAPPED, PURGED, UNKNOWN": (gpu) => pick(gpu, ({ state }) => state),
  "pins and advice": (gpu) => pick(gpu, ({ pinCount, madvise }) => [pinCount, madvise]),
  "the order in which objects would be evicted": ({ device: { memory } }) =>
    memory.regions.map((region) => [...region.lists.all()].map((slot) => memory.idOf(slot))),
  "contexts with their engine, priority, registers and hangs": (gpu) =>
    gpu.execute({ type: "listContexts", afterId: "", limit: 10 }),
  "settings of runtime PM": async (gpu) => (await gpu.execute({ type: "getRuntimePm" })).autosuspendDelayMs,
  "ids that the next object, context and request get": (gpu) => {
    const { memory, gt } = gpu.device;
    return [memory.nextIds, gt.contexts.nextNumber, gt.scheduler.fences.nextNumber];
  },
  "places that the next objects get": ({ device: { memory } }) =>
    memory.regions.map((region) => {
      const free: unknown[] = [];
      for (const _pause of region.visitFree((...block) => void free.push(block)));
      return free;
    }),
  "uid of the device": async (gpu) => (await gpu.execute({ type: "getDevice" })).uid,
  fences: (gpu) => reasonOf(gpu.execute({ type: "getFence", fence: "1" })),
  transitions: async (gpu) =>
    (await gpu.execute({ type: "listTransitions", beforeId: "", limit: 9 })).transitions.length,
  "generation of the device": async (gpu) => (await gpu.execute({ type: "getDevice" })).generation,
  "etags of objects and of the device": async (gpu) => [
    (await objects(gpu))[0]?.etag,
    (await gpu.execute({ type: "getDevice" })).etag,
  ],
  "counters of engines": async (gpu) => (await gpu.execute({ type: "listEngines" }))[0].submittedJobs,
  "count of suspends": async (gpu) => (await gpu.execute({ type: "getDevice" })).suspendCount,
  wedged: async (gpu) => (await gpu.execute({ type: "getDevice" })).wedged,
};

/** A device with an object in each state, a context with a register that has hung, and a fence. */
async function seeded(): Promise<VirtualDevice> {
  const swap = new MemoryStore(32 * MIB);
  const gpu = await bootWithSnapshots({ engines: ["rcs0", "bcs0"], smem: { sizeBytes: 16 * MIB }, swap });
  swap.clock = gpu.clock;
  const pinned = await gpu.upload(patternOf(1, 2 * MIB), { label: "pinned" });
  await gpu.execute({ type: "pinObject", object: pinned });
  for (let seed = 2; seed < 6; seed++) await gpu.upload(patternOf(seed, 6 * MIB), { regions: ["smem"] });
  await create(gpu);
  const purged = await create(gpu);
  await gpu.execute({ type: "adviseObject", object: purged, advice: "DONT_NEED" });
  const unknown = await gpu.upload(patternOf(7, MIB));
  const { loseContent } = await import("../../../src/device/memory/residency.ts");
  loseContent(gpu.device.memory, gpu.device.memory.findObject(unknown));
  const context = await newContext(gpu, "rcs0");
  await gpu.execute({
    type: "waitFence",
    fence: await submit(gpu, context, { op: "hang" }),
    timeoutMs: 60_000,
  });
  await finish(gpu, await submit(gpu, context, { op: "loadRegister", register: 1, value: 5n }));
  return gpu;
}

/** Changes everything that a row is about. */
async function disturb(gpu: VirtualDevice): Promise<void> {
  await gpu.execute({ type: "unpinObject", object: "1" });
  await gpu.execute({ type: "writeObject", object: "1", offsetBytes: MIB, data: patternOf(9, 100) });
  for (const object of ["2", "3", "4"]) await gpu.execute({ type: "deleteObject", object });
  await gpu.execute({ type: "adviseObject", object: "6", advice: "DONT_NEED" });
  await gpu.upload(patternOf(8, 3 * MIB));
  await newContext(gpu, "bcs0");
  await finish(gpu, await submit(gpu, "1", { op: "loadRegister", register: 1, value: 6n }));
  await gpu.execute({ type: "updateRuntimePm", autosuspendDelayMs: 7000 });
  await gpu.execute({ type: "suspend", state: "S2IDLE" });
  await gpu.execute({ type: "resume" });
}

describe("docs/snapshots.md", () => {
  it("has a row for each check, and a check for each row", () => {
    expect(ROWS.map(({ what }) => what)).toEqual(Object.keys(CHECKS));
  });

  it("says what comes back and what does not", async () => {
    const gpu = await seeded();
    const look = () => Promise.all(ROWS.map(({ what }) => CHECKS[what](gpu)));
    const states = await CHECKS["states: UNPOPULATED, RESIDENT, SWAPPED, PURGED, UNKNOWN"](gpu);
    expect(new Set(states as string[]).size).toBe(5);
    await take(gpu, "s");
    const then = await look();
    await disturb(gpu);
    await gpu.clock.run(gpu.device.gt.setWedged("the test says so"));
    const meanwhile = await look();
    await restore(gpu, "s");
    const now = await look();
    for (const [at, { what, comesBack }] of ROWS.entries()) {
      if (what === "wedged") expect([meanwhile[at], now[at]], what).toEqual([true, false]);
      else if (comesBack === "yes") expect(now[at], what).toEqual(then[at]);
      else expect(now[at], what).not.toEqual(then[at]);
      if (what !== "uid of the device" && what !== "wedged" && comesBack === "yes")
        expect(meanwhile[at], what).not.toEqual(then[at]);
    }
  });
});
