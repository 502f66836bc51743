/**
 * The threaded form of the engines: real threads at machine speed, whose moments nobody chooses. Waits are bounded;
 * nothing is asserted about time.
 */
import { afterEach, describe, expect, test } from "vitest";
import type { Clock, ContextPriority, DeviceOptions, WorkCommand } from "../../../src/device/mod.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import {
  bootThreaded,
  hashOf,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  type TestDevice,
} from "../../support/test-device.ts";

const ENGINES = ["rcs0", "bcs0"];
const HANG: WorkCommand[] = [{ op: "hang" }];
const SPIN: WorkCommand[] = [{ op: "spin", durationMs: 1 }];
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** A clock that kills its thread after it was asked so often. A spin asks once a millisecond. */
const MORTAL = new URL(
  `data:text/javascript,${encodeURIComponent(
    'let asked = 0; export const monotonicNs = () => { if (++asked > 30) throw new Error("the thread dies"); return process.hrtime.bigint(); };',
  )}`,
);

let gpu: TestDevice;
afterEach(() => gpu.device.close());

describe("a thread that dies", () => {
  test("fails the request that it ran, comes back for those behind it, and leaves nothing unresolved", async () => {
    await boot({ clockModule: MORTAL });
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const ctx = await context("rcs0");
    const other = await context("rcs0");
    const deadly = await submit(ctx, [store(object, 0, 1), { op: "spin", durationMs: 60_000 }]);
    const behind = [await submit(ctx, [store(object, 1, 2)]), await submit(other, [store(object, 2, 3)])];
    expect(await ended(deadly)).toMatchObject({ state: "FAILED", error: { reason: "ENGINE_HUNG" } });
    await finish(behind);
    expect(await dwords(object, 3)).toEqual([1, 2, 3]);
    const engine = await gpu.execute({ type: "getEngine", engine: "rcs0" });
    expect(engine).toMatchObject({
      resets: 1,
      lastHang: { fence: deadly, why: "it stopped with THREAD_DIED" },
    });
    expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
    gpu.device.checkInvariants();
  });

  test("while a more urgent context waits for it to let go is no different", async () => {
    await boot({ clockModule: MORTAL });
    const deadly = await submit(await context("rcs0", "LOW"), [{ op: "spin", durationMs: 60_000 }]);
    for (const _ of range(40)) {
      const urgent = await context("rcs0", "HIGH");
      await finish([await submit(urgent, [{ op: "spin", durationMs: 0.1 }])], ["SIGNALED", "FAILED"]);
    }
    await gpu.execute({ type: "resetDevice", scope: "GT" });
    expect((await ended(deadly)).state).toBe("FAILED");
    gpu.device.checkInvariants();
  });
});

test("a thread that starts slowly, as on a machine without a core left, is waited for", async () => {
  let booting = true;
  // The first seconds are over before any thread can have started.
  const startTimer: Clock["startTimer"] = (delayMs, callback) =>
    systemClock.startTimer(booting && delayMs <= 5_000 ? 0 : delayMs, callback);
  await boot({ clock: { ...systemClock, startTimer } });
  booting = false;
  expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", wedged: false });
});

describe("a hang", () => {
  test("[gem_exec_suspend@hang-S3] [invariants 42, 45] at suspend ends in a wedge: stores stand, the fence fails, the device works after resume", async () => {
    await boot();
    const slots = await gpu.upload(new Uint8Array(64 * KIB), { regions: ["lmem0"] });
    const pinned = await gpu.upload(patternOf(1, MIB));
    await gpu.execute({ type: "pinObject", object: pinned });
    const ctx = await context("rcs0");
    const stores: string[] = [];
    for (const value of range(256)) stores.push(await submit(ctx, [store(slots, value, value)]));
    await finish(stores);
    const hung = await submit(ctx, HANG);
    const queued = await submit(ctx, SPIN);
    expect(await gpu.execute({ type: "suspend", state: "S3", idleTimeoutMs: 100 })).toMatchObject({
      state: "SUCCEEDED",
      wedged: true,
    });
    for (const fence of [hung, queued])
      expect((await gpu.execute({ type: "getFence", fence })).state).toBe("FAILED");
    await gpu.execute({ type: "resume" });
    expect(await dwords(slots, 256)).toEqual(range(256));
    expect(hashOf(await gpu.download(pinned))).toBe(hashOf(patternOf(1, MIB)));
    await finish([await submit(ctx, SPIN)]);
    gpu.device.checkInvariants();
  });

  test("[scenario 144] [invariant 79] on the copy engine gives way to copies, and the innocent behind it run", async () => {
    await boot();
    const bytes = patternOf(2, MIB);
    const object = await gpu.upload(bytes);
    const counter = await gpu.upload(new Uint8Array(64 * KIB));
    const hung = await submit(await context("bcs0"), HANG);
    const innocent = await submit(await context("bcs0"), [add(counter)]);
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    await finish([innocent]);
    expect((await ended(hung)).state).toBe("FAILED");
    expect(gpu.events.some(({ type }) => type === "blitterFallback")).toBe(false);
    expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
    expect(await dwords(counter, 1)).toEqual([1]);
  });

  test("[gem_eio@unwedge-stress] [gem_eio@reset-stress] and resets of every kind at once, over and over, leave a device that works", async () => {
    await boot();
    const counter = await gpu.upload(new Uint8Array(64 * KIB));
    for (const cycle of range(12)) {
      const ctx = await context("rcs0");
      const fences = [await submit(ctx, cycle % 2 === 0 ? HANG : [{ op: "spin", durationMs: 1000 }])];
      for (const _ of range(5)) fences.push(await submit(ctx, SPIN));
      const resets: Promise<unknown>[] = [];
      if (cycle % 3 > 0) resets.push(gpu.device.execute({ type: "resetEngine", engine: "rcs0" }));
      if (cycle % 3 < 2) resets.push(gpu.device.gt.setWedged("a test said so"));
      resets.push(gpu.device.execute({ type: "resetEngine", engine: "bcs0" }));
      await Promise.all(resets);
      await gpu.execute({ type: "resetDevice", scope: "GT" });
      for (const fence of fences) expect((await ended(fence)).state).not.toBe("PENDING");
      expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
      await finish([await submit(await context("rcs0"), [add(counter)])]);
    }
    expect(await dwords(counter, 1)).toEqual([12]);
    gpu.device.checkInvariants();
  });
});

test("[invariant 8] requests of three priorities that preempt each other all the time run once each", async () => {
  await boot();
  const contexts = await Promise.all(
    (["LOW", "NORMAL", "HIGH"] as const).map((priority) => context("rcs0", priority)),
  );
  const counters = await Promise.all(range(24).map(() => gpu.upload(new Uint8Array(64 * KIB))));
  const fences: string[] = [];
  for (const round of range(40)) {
    for (const [at, counter] of counters.entries())
      fences.push(
        await submit(contexts[(at + round) % 3], [
          add(counter, 64 * KIB),
          ...(at % 5 === 0 ? [{ op: "spin", durationMs: 0.05 } as const] : []),
        ]),
      );
  }
  await finish(fences);
  for (const counter of counters) expect(new Set(await dwords(counter, 16_384))).toEqual(new Set([40]));
  expect((await gpu.execute({ type: "getEngine", engine: "rcs0" })).resets).toBe(0);
});

test("[xe_pm@s3-multiple-execs] [kst:igt_reset] suspends, evictions and resets in the middle of work lose and repeat nothing that signalled", async () => {
  await boot();
  const contexts = await Promise.all(range(6).map((at) => context(ENGINES[at % 2])));
  const counters = await Promise.all(range(6).map(() => gpu.upload(new Uint8Array(256 * KIB))));
  const signalled = range(6).map(() => 0);
  const failed = range(6).map(() => 0);
  for (const round of range(6)) {
    const fences: string[][] = range(6).map(() => []);
    for (const _ of range(20))
      for (const at of range(6)) fences[at].push(await submit(contexts[at], [add(counters[at], 256 * KIB)]));
    if (round % 3 === 0) await gpu.execute({ type: "evictRegion", region: "lmem0" });
    if (round % 3 === 1) await gpu.execute({ type: "resetEngine", engine: "rcs0" });
    if (round % 2 === 0) {
      await gpu.execute({ type: "suspend", state: "S3", idleTimeoutMs: 10_000 });
      await gpu.execute({ type: "resume" });
    }
    for (const at of range(6))
      for (const fence of fences[at])
        (await ended(fence)).state === "SIGNALED" ? signalled[at]++ : failed[at]++;
  }
  for (const at of range(6)) {
    const values = await dwords(counters[at], 65_536);
    // A failed request may have added to any part of its object.
    for (const value of values)
      if (value < signalled[at] || value > signalled[at] + failed[at]) expect(value).toBe(signalled[at]);
  }
  expect(failed.reduce((sum, each) => sum + each)).toBeLessThanOrEqual(2);
  gpu.device.checkInvariants();
});

test("a FACTORY reset in the middle of everything makes the device as new", async () => {
  await boot();
  const fences: string[] = [];
  for (const engine of ENGINES) {
    const ctx = await context(engine);
    const object = await gpu.upload(patternOf(1, MIB));
    for (const at of range(50)) fences.push(await submit(ctx, at === 20 ? HANG : [add(object, MIB)]));
  }
  expect(await gpu.execute({ type: "resetDevice", scope: "FACTORY" })).toMatchObject({
    powerState: "ACTIVE",
    wedged: false,
  });
  await expect.poll(() => gpu.device.gt.scheduler.idle).toBe(true);
  expect(
    (await gpu.execute({ type: "listObjects", afterId: "", limit: 10, showDeviceOwned: false })).objects,
  ).toEqual([]);
  const counter = await gpu.upload(new Uint8Array(64 * KIB));
  await finish([await submit(await context("rcs0"), [add(counter)])]);
  expect(await dwords(counter, 1)).toEqual([1]);
  gpu.device.checkInvariants();
});

test("closing the device in the middle of work settles every fence", async () => {
  await boot();
  const ctx = await context("rcs0");
  const fences = [await submit(ctx, HANG)];
  for (const _ of range(10)) fences.push(await submit(ctx, SPIN));
  const waits = fences.map((fence) => gpu.device.execute({ type: "waitFence", fence, timeoutMs: 20_000 }));
  const reset = gpu.device.execute({ type: "resetEngine", engine: "rcs0" });
  await gpu.device.close();
  expect(await reasonOf(Promise.all([reset, ...waits]))).toBe("none");
  for (const wait of waits) expect((await wait).state).toBe("FAILED");
});

async function boot(options: Partial<DeviceOptions> = {}): Promise<void> {
  gpu = await bootThreaded({ engines: ENGINES, ...options });
}

async function context(engine: string, priority: ContextPriority = "NORMAL"): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine, priority })).id;
}

async function submit(context: string, commands: readonly WorkCommand[]): Promise<string> {
  return (await gpu.execute({ type: "submitWork", context, commands, waitFences: [] })).id;
}

function ended(fence: string) {
  return gpu.execute({ type: "waitFence", fence, timeoutMs: 20_000 });
}

async function finish(fences: readonly string[], states: readonly string[] = ["SIGNALED"]): Promise<void> {
  for (const fence of fences) {
    const { state, error } = await ended(fence);
    expect(states, error?.message).toContain(state);
  }
}

async function dwords(object: string, count: number): Promise<number[]> {
  const data = await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: count * 4 });
  const view = new DataView(data.buffer, data.byteOffset);
  return Array.from({ length: count }, (_, at) => view.getUint32(at * 4, true));
}

function store(object: string, slot: number, value: number): WorkCommand {
  return { op: "storeDword", object, offsetBytes: slot * 4, value };
}

function add(object: string, lengthBytes = 4): WorkCommand {
  return { op: "add", object, offsetBytes: 0, lengthBytes, value: 1 };
}
