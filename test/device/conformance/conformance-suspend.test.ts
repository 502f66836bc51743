/** Scenarios A of docs/conformance.md and what belongs to it: suspend and resume, seen from outside. */
import { describe, expect, test } from "vitest";
import type { Command, SleepState } from "../../../src/device/mod.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  ANY_OBJECT,
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
import { bootWatched, expectRulesKept, type WatchedDevice } from "../../support/transition-rules.ts";
import { dwords, finish, newContext, request, SHORT, store, submit } from "../../support/work.ts";

const ENGINES = ["rcs0", "bcs0"];
const STATES: readonly SleepState[] = ["S2IDLE", "S3", "S4"];
/** Failpoints at which a transition can be made to take its time, in each of its parts. */
const SLOW = [
  "evict.object",
  "evictPinned.object",
  "memcpy.object",
  "image.write",
  "powerOff.before",
  "powerOn.before",
  "restoreEarly.object",
  "restoreLate.object",
] as const;

describe.each(STATES)("a suspend to %s", (state) => {
  test("[xe_pm@basic] of a device without work: query, create and submit work afterwards", async () => {
    const watched = await boot();
    const { gpu } = watched;
    const regions = await gpu.execute({ type: "listRegions" });
    await cycle(gpu, state);
    const after = await gpu.execute({ type: "listRegions" });
    expect(after.map(accounts)).toEqual(regions.map(accounts));
    const object = await gpu.upload(patternOf(1, MIB));
    for (const engine of ENGINES) {
      await finish(gpu, await submit(gpu, await newContext(gpu, engine), store(object, 0, 7), SHORT));
    }
    expect(await dwords(gpu, object, 1)).toEqual([7]);
    await expectRulesKept(watched, 2);
  });

  test("[xe_pm@multiple-execs] [invariant 73] refuses work that comes in the middle, or holds it and runs it once when the device is awake", async () => {
    const watched = await boot();
    const { gpu, failpoints } = watched;
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const contexts: string[] = [];
    for (let at = 0; at < 16; at++) contexts.push(await newContext(gpu, ENGINES[at % 2]));
    const slot = (at: number) => store(object, at, 0xc0ffee + at);
    const before = [];
    for (let at = 0; at < 16; at++) before.push(await submit(gpu, contexts[at], slot(at)));
    failpoints.arm("evict.before", { ...ERROR_ONCE, action: "DELAY", delayMs: 20 });
    await gpu.execute({ type: "suspend", state, waitMs: 0 });
    await gpu.clock.advance(10);
    expect(await reasonOf(submit(gpu, contexts[0], slot(40)))).toBe("DEVICE_TRANSITION");
    const held = contexts.map((context, at) =>
      gpu.device.execute({ ...request(context, [slot(16 + at)]), hold: "until-active" }),
    );
    await gpu.clock.advance(5000);
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
    expect(await reasonOf(submit(gpu, contexts[0], slot(40)))).toBe("DEVICE_SUSPENDED");
    await gpu.execute({ type: "resume" });
    const after = await gpu.clock.run(Promise.all(held));
    await finish(gpu, ...before, ...after.map(({ id }) => id));
    expect(after.map(({ seqno }) => seqno)).toEqual(contexts.map(() => 2));
    expect(await dwords(gpu, object, 41)).toEqual(
      Array.from({ length: 41 }, (_, at) => (at < 32 ? 0xc0ffee + at : 0)),
    );
    await expectRulesKept(watched, 2);
  });

  test("[xe_pm@vm-bind-prefetch] objects in local memory keep their content, the pinned ones their place", async () => {
    const watched = await boot();
    const { gpu } = watched;
    const loose = await gpu.upload(patternOf(1, MIB));
    const fixed = await gpu.upload(patternOf(2, MIB));
    const { extents } = await gpu.execute({ type: "pinObject", object: fixed });
    await cycle(gpu, state);
    expect(await look(gpu, loose)).toMatchObject({ region: "smem", state: "RESIDENT" });
    expect(await look(gpu, fixed)).toMatchObject({ region: "lmem0", extents });
    const contents = new Map([
      [loose, patternOf(1, MIB)],
      [fixed, patternOf(2, MIB)],
    ]);
    expect(await wrongContents(gpu, contents)).toEqual([]);
    await expectRulesKept(watched, 2);
  });

  test("[i915_suspend@debugfs-reader] [i915_suspend@sysfs-reader] whoever looks at the device all the time is answered at once, and changes nothing", async () => {
    const watched = await boot();
    const { gpu, failpoints } = watched;
    const context = await newContext(gpu, "rcs0");
    const object = await gpu.upload(patternOf(1, MIB));
    await gpu.execute({ type: "pinObject", object });
    await gpu.upload(patternOf(2, MIB));
    const fence = await submit(gpu, context, SHORT);
    for (const name of SLOW) failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", delayMs: 5, count: 0 });
    const looks: readonly Command[] = [
      { type: "getDevice" },
      { type: "listRegions" },
      { type: "getRegion", region: "lmem0" },
      { type: "getObject", object },
      { type: "listObjects", afterId: "", limit: 100, showDeviceOwned: true },
      { type: "getUsage" },
      { type: "listEngines" },
      { type: "getContext", context },
      { type: "listContexts", afterId: "", limit: 10 },
      { type: "getFence", fence },
      { type: "listTransitions", beforeId: "", limit: 10 },
      { type: "getTransitionTrace", transition: "1" },
      { type: "getRuntimePm" },
    ];
    const seen = new Set<string>();
    for (const type of ["suspend", "resume"] as const) {
      await gpu.execute(type === "suspend" ? { type, state, waitMs: 0 } : { type, waitMs: 0 });
      for (let poll = 0; poll < 60; poll++) {
        await gpu.clock.advance(2);
        const before = gpu.clock.monotonicNs();
        const answers = await together(gpu, looks);
        expect(answers.filter(({ status }) => status === "rejected")).toEqual([]);
        expect(gpu.clock.monotonicNs()).toBe(before);
        seen.add((await gpu.execute({ type: "getDevice" })).powerState);
      }
    }
    expect([...seen]).toEqual(["SUSPENDING", "SUSPENDED", "RESUMING", "ACTIVE"]);
    expect(hashOf(await gpu.download(object))).toBe(hashOf(patternOf(1, MIB)));
    gpu.device.checkInvariants();
    await expectRulesKept(watched, 2);
  });

  test("[amd_mem_leak@connector-suspend-resume] over and over leaves no counter of memory higher", async () => {
    const watched = await boot();
    const { gpu } = watched;
    const context = await newContext(gpu, "rcs0");
    const object = await gpu.upload(patternOf(1, MIB));
    await gpu.execute({ type: "pinObject", object });
    await gpu.upload(patternOf(2, MIB), { regions: ["lmem0"] });
    const round = async (): Promise<unknown> => {
      await cycle(gpu, state);
      await finish(gpu, await submit(gpu, context, store(object, 0, 1)));
      const { memory } = gpu.device;
      const { table } = memory;
      return {
        regions: (await gpu.execute({ type: "listRegions" })).map(accounts),
        usage: await gpu.execute({ type: "getUsage" }),
        objects: table.count,
        slots: table.slotsUsed,
        own: memory.ownedSlots.length,
      };
    };
    const first = await round();
    for (let at = 0; at < 12; at++) expect(await round()).toEqual(first);
    await expectRulesKept(watched, 26);
  });

  test("[kst:igt_gem_suspend] [kst:igt_gem_hibernate] with stolen memory trashed while asleep: a context from before works", async () => {
    const watched = await boot({ stolenBytes: MIB });
    const { gpu } = watched;
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const context = await newContext(gpu, "rcs0");
    await finish(gpu, await submit(gpu, context, { op: "loadRegister", register: 3, value: 0x1234n }));
    await gpu.execute({ type: "suspend", state });
    gpu.device.memory.findRegion("stolen")?.bank.bytes.set(patternOf(9, MIB));
    await gpu.execute({ type: "resume" });
    const save = { op: "storeRegister", register: 3, object, offsetBytes: 8 } as const;
    await finish(gpu, await submit(gpu, context, store(object, 0, 5), save));
    expect(await dwords(gpu, object, 3)).toEqual([5, 0, 0x1234]);
    await expectRulesKept(watched, 2);
  });

  test("[mail:rfc-host-limit] [invariant 67] with system memory one page too small is refused and loses nothing; with a page more it is not", async () => {
    const smem = { sizeBytes: 8 * MIB };
    const swap = new MemoryStore(32 * MIB);
    const watched = await boot({ smem, ...(state === "S4" ? { swap } : {}) });
    const { gpu } = watched;
    const contents = new Map<string, Uint8Array>();
    for (let seed = 1; seed <= 4; seed++) {
      const id = await gpu.upload(patternOf(seed, MIB), { regions: ["lmem0"] });
      contents.set(id, patternOf(seed, MIB));
      if (seed === 1) await gpu.execute({ type: "pinObject", object: id });
    }
    const plan = await gpu.execute({ type: "planSuspend" });
    const page = 4 * KIB;
    const room = plan.systemMemoryAvailableBytes - plan.systemMemoryRequiredBytes;
    const filler = await gpu.upload(patternOf(7, room), { regions: ["smem"] });
    const tooMuch = await gpu.upload(patternOf(8, page), { regions: ["smem"] });
    contents.set(filler, patternOf(7, room));
    contents.set(tooMuch, patternOf(8, page));
    if (state !== "S4") {
      expect(await reasonOf(gpu.execute({ type: "suspend", state }))).toBe("SYSTEM_MEMORY_EXHAUSTED");
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", dState: "D0" });
      expect(await wrongContents(gpu, contents)).toEqual([]);
      await gpu.execute({ type: "deleteObject", object: tooMuch });
      contents.delete(tooMuch);
    }
    // A hibernation may swap: for it there is room.
    await cycle(gpu, state);
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
    await expectRulesKept(watched, 2);
  });

  test("[invariant 29] [invariant 47] a copy back that neither blitter nor CPU can make fails the resume; the backup stays, and the next resume restores it", async () => {
    const lmem = [{ sizeBytes: 16 * MIB, visibleBytes: 4 * MIB }];
    const watched = await boot({ lmem });
    const { gpu, failpoints } = watched;
    const object = await create(gpu, { flags: ["GPU_ONLY"] });
    await gpu.execute({ type: "pinObject", object });
    const context = await newContext(gpu, "rcs0");
    const pattern = { op: "fill", object, offsetBytes: 0, lengthBytes: MIB, pattern: 0x5eed_cafe } as const;
    await finish(gpu, await submit(gpu, context, pattern));
    await gpu.execute({ type: "suspend", state });
    failpoints.arm("blitter.hang", ERROR_ONCE);
    await expect(gpu.execute({ type: "resume" })).rejects.toMatchObject({
      reason: "COPY_FAILED",
      metadata: { notRestored: object, notRestoredCount: "1" },
    });
    expect(await look(gpu, object)).toMatchObject({ hasBackup: true });
    expect(await reasonOf(gpu.execute({ ...ANY_OBJECT }))).toBe("DEVICE_FAILED");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    await gpu.execute({ type: "unpinObject", object });
    expect(new Set(await dwords(gpu, object, MIB / 4))).toEqual(new Set([0x5eed_cafe]));
    await expectRulesKept(watched, 3);
  });
});

test("[gem_exec_suspend@basic-S3-devices] a device of which only the phases are gone through keeps its memory, and nothing stands over it", async () => {
  const watched = await boot();
  const { gpu } = watched;
  const object = await gpu.upload(patternOf(1, MIB));
  await gpu.execute({ type: "pinObject", object });
  const suspended = await gpu.execute({ type: "suspend", state: "S2IDLE" });
  expect(suspended).toMatchObject({ dState: "D3HOT", backupObjects: 3 });
  const { memory } = gpu.device;
  const slot = memory.findObject(object);
  const [{ offsetBytes }] = memory.region(1).extents(memory.table.resource[slot]);
  const kept = memory.region(1).bank.bytes.slice(offsetBytes, offsetBytes + MIB);
  expect(hashOf(kept)).toBe(hashOf(patternOf(1, MIB)));
  await gpu.execute({ type: "resume" });
  expect(hashOf(await gpu.download(object))).toBe(hashOf(patternOf(1, MIB)));
  await expectRulesKept(watched, 2);
});

function boot(options: Parameters<typeof bootWatched>[0] = {}): Promise<WatchedDevice> {
  return bootWatched({ engines: ENGINES, images: new MemoryImageStore(), ...options });
}

async function cycle(gpu: VirtualDevice, state: SleepState): Promise<void> {
  expect(await gpu.execute({ type: "suspend", state })).toMatchObject({ state: "SUCCEEDED", wedged: false });
  expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
}

/** What a region says of itself, but for how its free space is cut. */
function accounts({ largestFreeBytes: _, ...rest }: { readonly largestFreeBytes: number }): unknown {
  return rest;
}
