/** Hangs, resets and wedging, under virtual time. */

import { describe, expect, test, vi } from "vitest";
import { sleep } from "../../../src/device/clock.ts";
import type { WorkCommand } from "../../../src/device/mod.ts";
import { hideEarlyBackups } from "../../support/hidden-backups.ts";
import {
  bootVirtual,
  hashOf,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  together,
  type VirtualDevice,
} from "../../support/test-device.ts";

const HANG: WorkCommand[] = [{ op: "hang" }];

describe("a hung request", () => {
  test("[kst:live_heartbeat] is found by the heartbeat, fails, and leaves the innocent to run", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const guilty = await context(gpu, "rcs0");
    const innocent = await context(gpu, "rcs0");
    const hung = await submit(gpu, guilty, HANG);
    const behind = await submit(gpu, guilty, [{ op: "storeDword", object, offsetBytes: 0, value: 1 }]);
    const other = await submit(gpu, innocent, [{ op: "storeDword", object, offsetBytes: 4, value: 2 }]);
    expect(await gpu.execute({ type: "waitFence", fence: hung, timeoutMs: 60_000 })).toMatchObject({
      state: "FAILED",
      error: { reason: "ENGINE_HUNG" },
    });
    expect(Number(gpu.clock.monotonicNs()) / 1e9).toBeLessThan(15);
    for (const fence of [behind, other]) {
      expect((await gpu.execute({ type: "waitFence", fence, timeoutMs: 1000 })).state).toBe("SIGNALED");
    }
    const engine = await gpu.execute({ type: "getEngine", engine: "rcs0" });
    expect(engine).toMatchObject({ resets: 1, lastHang: { context: guilty, fence: hung } });
    expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
    gpu.device.checkInvariants();
  });

  test("[gem_eio@banned] three times gets its context banned; others work", async () => {
    const gpu = await boot();
    const guilty = await context(gpu, "rcs0");
    for (let times = 0; times < 3; times++) {
      const fence = await submit(gpu, guilty, HANG);
      await gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 });
    }
    expect(await gpu.execute({ type: "getContext", context: guilty })).toMatchObject({
      hangs: 3,
      banned: true,
    });
    expect(await reasonOf(submit(gpu, guilty, [{ op: "spin", durationMs: 1 }]))).toBe("CONTEXT_BANNED");
    const fence = await submit(gpu, await context(gpu, "rcs0"), [{ op: "spin", durationMs: 1 }]);
    expect((await gpu.execute({ type: "waitFence", fence, timeoutMs: 1000 })).state).toBe("SIGNALED");
  });

  test("[scenario 144] [invariant 79] on the copy engine never costs another client its bytes: the copy goes ahead by blitter", async () => {
    const gpu = await boot();
    const other = await gpu.upload(patternOf(1, MIB));
    const hung = await submit(gpu, await context(gpu, "bcs0"), HANG);
    await gpu.clock.advance(5);
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect((await gpu.execute({ type: "getFence", fence: hung })).state).toBe("FAILED");
    expect(gpu.events.some((event) => event.type === "blitterFallback")).toBe(false);
    expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
    expect(hashOf(await gpu.download(other))).toBe(hashOf(patternOf(1, MIB)));
  });

  test("a spin that lets go of its engine is preempted for copies and is not a hang", async () => {
    const gpu = await boot();
    const other = await gpu.upload(patternOf(1, MIB));
    const spin = await submit(gpu, await context(gpu, "bcs0"), [{ op: "spin", durationMs: 30_000 }]);
    await gpu.clock.advance(5);
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    expect((await gpu.execute({ type: "getObject", object: other })).region).toBe("smem");
    expect((await gpu.execute({ type: "waitFence", fence: spin, timeoutMs: 60_000 })).state).toBe("SIGNALED");
    expect((await gpu.execute({ type: "getEngine", engine: "bcs0" })).resets).toBe(0);
    expect(Number(gpu.clock.monotonicNs()) / 1e9).toBeGreaterThan(30);
  });
});

describe("suspend of a busy device", () => {
  test("[gem_exec_suspend@hang-S3] ends by wedging after the idle timeout, with every byte; the fences fail and resume clears it", async () => {
    const gpu = await boot();
    const object = await gpu.upload(patternOf(3, MIB), { regions: ["lmem0"] });
    const used = await gpu.upload(patternOf(4, MIB), { regions: ["lmem0"] });
    const ctx = await context(gpu, "rcs0");
    const stores = await submit(gpu, ctx, [{ op: "storeDword", object: used, offsetBytes: 0, value: 7 }]);
    const hung = await submit(gpu, ctx, [
      { op: "storeDword", object: used, offsetBytes: 4, value: 8 },
      { op: "hang" },
    ]);
    await gpu.clock.advance(5);
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    expect(suspended).toMatchObject({ state: "SUCCEEDED", wedged: true });
    expect((await gpu.execute({ type: "getFence", fence: stores })).state).toBe("SIGNALED");
    expect((await gpu.execute({ type: "getFence", fence: hung })).state).toBe("FAILED");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    expect(hashOf(await gpu.download(object))).toBe(hashOf(patternOf(3, MIB)));
    const view = new DataView((await gpu.download(used)).buffer);
    expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([7, 8]);
    const after = await submit(gpu, ctx, [{ op: "storeDword", object: used, offsetBytes: 8, value: 9 }]);
    expect((await gpu.execute({ type: "waitFence", fence: after, timeoutMs: 1000 })).state).toBe("SIGNALED");
    gpu.device.checkInvariants();
  });

  test("aborts when told to, and leaves the work running", async () => {
    const gpu = await boot();
    const spin = await submit(gpu, await context(gpu, "rcs0"), [{ op: "spin", durationMs: 5000 }]);
    const suspend = gpu.execute({ type: "suspend", state: "S3", onIdleTimeout: "ABORT", idleTimeoutMs: 100 });
    expect(await reasonOf(suspend)).toBe("IDLE_TIMEOUT");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    expect((await gpu.execute({ type: "waitFence", fence: spin, timeoutMs: 10_000 })).state).toBe("SIGNALED");
  });

  test("[gem_exec_suspend@basic-S3] lets short work finish; its results are there after resume", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const ctx = await context(gpu, "rcs0");
    for (let value = 0; value < 200; value++) {
      await submit(gpu, ctx, [{ op: "storeDword", object, offsetBytes: value * 4, value }]);
    }
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    const view = new DataView((await gpu.download(object)).buffer);
    expect(Array.from({ length: 200 }, (_, at) => view.getUint32(at * 4, true))).toEqual(
      Array.from({ length: 200 }, (_, at) => at),
    );
  });

  test("[gem_eio@in-flight-external] a request that waits for a fence that never comes is failed, not waited for", async () => {
    const gpu = await boot();
    const slow = await submit(gpu, await context(gpu, "rcs0"), [{ op: "spin", durationMs: 60_000 }]);
    const ctx = await context(gpu, "rcs0");
    const { id: waiting } = await gpu.execute({
      type: "submitWork",
      context: ctx,
      commands: [{ op: "spin", durationMs: 1 }],
      waitFences: [slow],
    });
    await gpu.execute({ type: "suspend", state: "S3" });
    for (const fence of [slow, waiting]) {
      expect((await gpu.execute({ type: "getFence", fence })).state).toBe("FAILED");
    }
    await gpu.execute({ type: "resume" });
    gpu.device.checkInvariants();
  });
});

describe("ResetDevice", () => {
  test("GT clears wedged and fails what ran", async () => {
    const gpu = await boot();
    const id = await gpu.upload(patternOf(1, MIB));
    const hung = await submit(gpu, await context(gpu, "rcs0"), HANG);
    await gpu.clock.run(gpu.device.gt.setWedged("a test said so"));
    expect((await gpu.execute({ type: "getFence", fence: hung })).state).toBe("FAILED");
    expect(await reasonOf(gpu.execute({ type: "createContext", engine: "rcs0", priority: "LOW" }))).toBe(
      "DEVICE_WEDGED",
    );
    expect((await gpu.execute({ type: "resetDevice", scope: "GT" })).wedged).toBe(false);
    expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(1, MIB)));
    const fence = await submit(gpu, await context(gpu, "rcs0"), [{ op: "spin", durationMs: 1 }]);
    expect((await gpu.execute({ type: "waitFence", fence, timeoutMs: 1000 })).state).toBe("SIGNALED");
  });

  test("GT takes work while an engine is long in starting, and runs it then", async () => {
    const gpu = await boot();
    const id = await context(gpu, "rcs0");
    for (const { engine } of gpu.device.gt.units) {
      const powerOn = engine.powerOn.bind(engine);
      engine.powerOn = () => sleep(gpu.clock, 10_000).then(powerOn);
    }
    const reset = gpu.device.execute({ type: "resetDevice", scope: "GT" });
    await gpu.clock.advance(10);
    const fence = await submit(gpu, id, [{ op: "spin", durationMs: 1 }]);
    expect((await gpu.clock.run(reset)).wedged).toBe(false);
    expect((await gpu.execute({ type: "waitFence", fence, timeoutMs: 1000 })).state).toBe("SIGNALED");
  });

  test("is one at a time, and no transition begins meanwhile", async () => {
    const gpu = await boot();
    await gpu.upload(patternOf(1, MIB));
    const reset = gpu.device.execute({ type: "resetDevice", scope: "FACTORY" });
    const others = [
      reasonOf(gpu.device.execute({ type: "resetDevice", scope: "FACTORY" })),
      reasonOf(gpu.device.execute({ type: "resetDevice", scope: "GT" })),
      reasonOf(gpu.device.execute({ type: "suspend", state: "S3" })),
    ];
    expect((await gpu.clock.run(reset)).powerState).toBe("ACTIVE");
    expect(await gpu.clock.run(Promise.all(others))).toEqual(others.map(() => "TRANSITION_IN_PROGRESS"));
    gpu.device.checkInvariants();
  });

  test("FACTORY waits for a running suspend, and leaves a device that is as new", async () => {
    const gpu = await boot();
    for (let seed = 0; seed < 5; seed++) await gpu.upload(patternOf(seed, MIB));
    const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect((await gpu.execute({ type: "resetDevice", scope: "FACTORY" })).powerState).toBe("ACTIVE");
    expect((await gpu.execute({ type: "getTransition", transition: id })).state).not.toBe("RUNNING");
    gpu.device.checkInvariants();
  });

  test("FACTORY of a suspended device leaves one whose resume is told of no suspend", async () => {
    const gpu = await boot();
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ kind: "RESUME", alreadyInState: true });
  });

  test("of the copy engine in the middle of a copy leaves the copy to the CPU and the GT well", async () => {
    const gpu = await boot();
    const id = await gpu.upload(patternOf(1, 8 * MIB));
    const evicting = gpu.device.execute({ type: "evictRegion", region: "lmem0" });
    await gpu.clock.advance(0.1);
    await gpu.execute({ type: "resetEngine", engine: "bcs0" });
    await gpu.clock.run(evicting);
    expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
    expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(1, 8 * MIB)));
    gpu.device.checkInvariants();
  });

  test.each(["ACTIVE", "SUSPENDED", "FAILED", "hung"])("FACTORY makes a %s device as new", async (state) => {
    const gpu = await boot();
    const fresh = await gpu.execute({ type: "listRegions" });
    const id = await gpu.upload(patternOf(1, MIB));
    await gpu.execute({ type: "pinObject", object: id });
    await gpu.upload(patternOf(2, MIB));
    if (state === "hung") await submit(gpu, await context(gpu, "rcs0"), HANG);
    if (state === "SUSPENDED" || state === "FAILED") await gpu.execute({ type: "suspend", state: "S3" });
    if (state === "FAILED") {
      const putBack = hideEarlyBackups(gpu.device);
      expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("FIRMWARE_LOAD_FAILED");
      putBack();
    }
    const device = await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    expect(device).toMatchObject({ powerState: "ACTIVE", dState: "D0", wedged: false });
    await gpu.clock.advance(0);
    expect(withoutLargest(await gpu.execute({ type: "listRegions" }))).toEqual(withoutLargest(fresh));
    expect(await reasonOf(gpu.execute({ type: "getObject", object: id }))).toBe("OBJECT_NOT_FOUND");
    gpu.device.checkInvariants();
    const again = await gpu.upload(patternOf(5, MIB));
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    expect(hashOf(await gpu.download(again))).toBe(hashOf(patternOf(5, MIB)));
  });
});

function boot(options: Parameters<typeof bootVirtual>[0] = {}): Promise<VirtualDevice> {
  return bootVirtual({ engines: ["rcs0", "bcs0"], ...options });
}

async function context(gpu: VirtualDevice, engine: string): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine, priority: "NORMAL" })).id;
}

async function submit(gpu: VirtualDevice, context: string, commands: WorkCommand[]): Promise<string> {
  return (await gpu.execute({ type: "submitWork", context, commands, waitFences: [] })).id;
}

/** Free memory is the same, though cut differently: some of it was used and is not known to be zero any more. */
function withoutLargest(regions: readonly { readonly largestFreeBytes: number }[]): unknown {
  return regions.map(({ largestFreeBytes: _, ...rest }) => rest);
}

test("a client that waits for its work does not keep a device from suspending", async () => {
  const gpu = await boot();
  const ctx = await context(gpu, "rcs0");
  const waiting = gpu.device.execute({
    type: "submitWork",
    context: ctx,
    commands: [{ op: "spin", durationMs: 60_000 }],
    waitFences: [],
    waitMs: 50_000,
  });
  await gpu.clock.advance(10);
  expect(await gpu.execute({ type: "suspend", state: "S3" })).toMatchObject({
    state: "SUCCEEDED",
    wedged: true,
  });
  expect((await gpu.clock.run(waiting)).state).toBe("FAILED");
});

test("a settled fence is forgotten after its time", async () => {
  const gpu = await boot();
  const fence = await submit(gpu, await context(gpu, "rcs0"), [{ op: "spin", durationMs: 1 }]);
  await gpu.execute({ type: "waitFence", fence, timeoutMs: 1000 });
  await gpu.clock.advance(601_000);
  expect(await reasonOf(gpu.execute({ type: "getFence", fence }))).toBe("FENCE_NOT_FOUND");
});

test("waits for a fence that are over leave nothing behind, and those that are not are told of its end", async () => {
  const gpu = await boot();
  const fence = await submit(gpu, await context(gpu, "rcs0"), [{ op: "spin", durationMs: 1000 }]);
  const settling = vi.spyOn(gpu.device.gt.scheduler.fences.get(fence).fence, "onSettled");
  for (let round = 0; round < 10; round++)
    expect(await reasonOf(gpu.execute({ type: "waitFence", fence, timeoutMs: 1 }))).toBe("DEADLINE_EXCEEDED");
  expect(settling).not.toHaveBeenCalled();
  const nobody = AbortSignal.abort();
  const wait = { type: "waitFence", fence, timeoutMs: 10_000 } as const;
  expect(await reasonOf(gpu.execute({ ...wait, signal: nobody }))).toBe("CALL_CANCELLED");
  const ends = await together(gpu, [wait, wait, { ...wait, timeoutMs: 5 }]);
  expect(ends.map((end) => end.status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
});
