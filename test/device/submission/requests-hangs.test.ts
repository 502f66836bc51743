/** Scenarios B of docs/conformance.md that concern execution: hangs, resets and a wedged GT. */
import { describe, expect, test } from "vitest";
import type { WorkCommand } from "../../../src/device/mod.ts";
import {
  bootVirtual,
  hashOf,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  type TestDevice,
  type VirtualDevice,
} from "../../support/test-device.ts";

const ENGINES = ["rcs0", "ccs0", "bcs0", "vcs0"];
const HANG: WorkCommand[] = [{ op: "hang" }];
const SPIN: WorkCommand[] = [{ op: "spin", durationMs: 1 }];
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

describe("a wedged GT", () => {
  test("[gem_eio@throttle] [gem_eio@context-create] [gem_eio@execbuf] [gem_eio@create] [gem_eio@create-ext] refuses contexts and work, and still makes, writes and reads objects", async () => {
    const gpu = await boot();
    const ctx = await context(gpu, "rcs0");
    await gpu.clock.run(gpu.device.gt.setWedged("a test said so"));
    expect(await reasonOf(context(gpu, "rcs0"))).toBe("DEVICE_WEDGED");
    expect(await reasonOf(submit(gpu, ctx, SPIN))).toBe("DEVICE_WEDGED");
    for (const regions of [["lmem0"], ["smem"], ["lmem0", "smem"], ["smem", "lmem0"]]) {
      const sizeBytes = 64 * KIB;
      const { id } = await gpu.execute({
        type: "createObject",
        sizeBytes,
        regions,
        flags: [],
        alignmentBytes: 0,
        label: "",
      });
      expect(new Set(await dwords(gpu, id, 16))).toEqual(new Set([0]));
    }
    expect(hashOf(await gpu.download(await gpu.upload(patternOf(3, MIB))))).toBe(hashOf(patternOf(3, MIB)));
    await gpu.execute({ type: "resetDevice", scope: "GT" });
    await finish(gpu, [await submit(gpu, ctx, SPIN)]);
  });

  test.each([0, 0.001, 10])(
    "[gem_eio@in-flight] [gem_eio@wait] %s ms after work was queued behind a hang fails all of it, and waits return",
    async (afterMs) => {
      const gpu = await boot();
      const ctx = await context(gpu, "rcs0");
      const fences = [await submit(gpu, ctx, HANG)];
      for (const _ of range(50)) fences.push(await submit(gpu, ctx, SPIN));
      const waits = fences.map((fence) =>
        gpu.device.execute({ type: "waitFence", fence, timeoutMs: 60_000 }),
      );
      await gpu.clock.advance(afterMs);
      await gpu.clock.run(gpu.device.gt.setWedged("a test said so"));
      expect((await gpu.clock.run(Promise.all(waits))).every(({ state }) => state === "FAILED")).toBe(true);
      expect(Number(gpu.clock.monotonicNs()) / 1e6).toBeLessThan(300);
      expect(gpu.device.gt.scheduler.idle).toBe(true);
      gpu.device.checkInvariants();
    },
  );

  test("[gem_eio@unwedge-stress] [gem_eio@reset-stress] [kst:igt_wedged_reset] is usable after each of many resets", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const ctx = await context(gpu, "rcs0");
    for (const cycle of range(50)) {
      const lost = await submit(gpu, ctx, cycle % 3 === 0 ? HANG : [{ op: "spin", durationMs: 50 }]);
      const queued = await submit(gpu, await context(gpu, ENGINES[cycle % 4]), SPIN, [lost]);
      if (cycle % 2 === 0) await gpu.clock.advance(cycle / 10);
      if (cycle % 5 > 0) await gpu.clock.run(gpu.device.gt.setWedged("a test said so"));
      const resets = [0, cycle % 3].map(() => gpu.device.execute({ type: "resetDevice", scope: "GT" }));
      // One reset at a time: the second is refused.
      const ends = await gpu.clock.run(Promise.allSettled(resets));
      expect(ends.map((end) => end.status)).toEqual(["fulfilled", "rejected"]);
      expect(await states(gpu, [lost, queued])).toEqual(["FAILED"]);
      await gpu.execute({ type: "resetDevice", scope: "GT" });
      await finish(gpu, [await submit(gpu, ctx, [store(object, cycle, cycle)])]);
      gpu.device.checkInvariants();
    }
    expect(await dwords(gpu, object, 50)).toEqual(range(50));
  });
});

describe("a hang", () => {
  test("[gem_reset_stats] [i915_hangman] [kst:igt_reset_idle_engine] [invariant 79] on every engine at once is found on each; captures name the guilty, the innocent run in order", async () => {
    const gpu = await boot();
    const hung: string[] = [];
    const guilty: string[] = [];
    const fences: string[] = [];
    const objects: string[] = [];
    for (const engine of ENGINES) {
      guilty.push(await context(gpu, engine));
      hung.push(await submit(gpu, guilty.at(-1) ?? "", HANG));
      const innocent = await context(gpu, engine);
      objects.push(await gpu.upload(new Uint8Array(64 * KIB)));
      for (const value of range(20))
        fences.push(
          await submit(gpu, innocent, [
            store(objects.at(-1) ?? "", 0, value),
            { op: "add", object: objects.at(-1) ?? "", offsetBytes: 4, lengthBytes: 4, value: 1 },
          ]),
        );
    }
    await finish(gpu, fences);
    expect(await states(gpu, hung)).toEqual(["FAILED"]);
    for (const [index, engine] of ENGINES.entries()) {
      expect(await gpu.execute({ type: "getEngine", engine })).toMatchObject({
        resets: 1,
        failedJobs: 1,
        completedJobs: 20,
        lastHang: { context: guilty[index], fence: hung[index] },
      });
      expect(await gpu.execute({ type: "getContext", context: guilty[index] })).toMatchObject({
        hangs: 1,
        banned: false,
      });
      expect(await dwords(gpu, objects[index], 2)).toEqual([19, 20]);
    }
    expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
  });

  test("[gem_eio@banned] bans its context in the end: what it has queued fails, it can be deleted, and its objects are free", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const ctx = await context(gpu, "rcs0");
    const fences: string[] = [];
    for (const slot of range(5)) fences.push(await submit(gpu, ctx, [store(object, slot, 1), ...HANG]));
    for (const fence of fences) await gpu.execute({ type: "waitFence", fence, timeoutMs: 100_000 });
    const errors = await Promise.all(
      fences.map(async (fence) => (await gpu.execute({ type: "getFence", fence })).error?.reason),
    );
    expect(errors).toEqual(["ENGINE_HUNG", "ENGINE_HUNG", "ENGINE_HUNG", "CONTEXT_BANNED", "CONTEXT_BANNED"]);
    expect(await dwords(gpu, object, 5)).toEqual([1, 1, 1, 0, 0]);
    expect(await reasonOf(submit(gpu, ctx, SPIN))).toBe("CONTEXT_BANNED");
    const innocent = await context(gpu, "rcs0");
    await finish(gpu, [await submit(gpu, innocent, [store(object, 3, 7)])]);
    expect(await dwords(gpu, object, 5)).toEqual([1, 1, 1, 7, 0]);
    await gpu.execute({ type: "deleteContext", context: ctx });
    await gpu.clock.advance(0);
    gpu.device.checkInvariants();
    await gpu.execute({ type: "deleteObject", object });
    gpu.device.checkInvariants();
  });

  test("[kst:live_heartbeat_fast] [kst:live_idle_pulse] of any priority is found by the first pulse that is stronger", async () => {
    for (const priority of ["LOW", "NORMAL", "HIGH"] as const) {
      const gpu = await boot();
      const { id } = await gpu.execute({ type: "createContext", engine: "rcs0", priority });
      const fence = await submit(gpu, id, HANG);
      await gpu.execute({ type: "waitFence", fence, timeoutMs: 15_000 });
      expect(await state(gpu, fence)).toBe("FAILED");
      // A pulse every 2,500 ms, each stronger than the one before: the first that is stronger than the work waits 640 ms
      // for the engine to yield, and then the engine is reset. The figures are the kernel's, in virtual time.
      const pulses = priority === "LOW" ? 2 : 3;
      expect(Number(gpu.clock.monotonicNs()) / 1e6).toBe(pulses * 2_500 + 640);
    }
  });

  test("[xe_exec_reset@gt-reset] [xe_exec_reset@close-fd] [core_hotunplug@unbind-rebind] reset and deletion with work in flight fail the fences and leak nothing", async () => {
    const gpu = await boot();
    const before = await gpu.execute({ type: "listRegions" });
    for (const scope of ["GT", "FACTORY"] as const) {
      const ctx = await context(gpu, "ccs0");
      const object = await gpu.upload(patternOf(1, MIB), { regions: ["lmem0"] });
      const fences = [
        await submit(gpu, ctx, [store(object, 0, 1), ...HANG]),
        await submit(gpu, ctx, [store(object, 0, 2)]),
      ];
      expect(await reasonOf(gpu.execute({ type: "deleteContext", context: ctx }))).toBe("CONTEXT_ACTIVE");
      await gpu.execute({ type: "deleteObject", object });
      await gpu.clock.advance(1);
      const waits = fences.map((fence) => gpu.device.execute({ type: "waitFence", fence, timeoutMs: 1000 }));
      await gpu.execute({ type: "resetDevice", scope });
      expect((await gpu.clock.run(Promise.all(waits))).map(({ state }) => state)).toEqual([
        "FAILED",
        "FAILED",
      ]);
      if (scope === "GT") await gpu.execute({ type: "deleteContext", context: ctx });
      await gpu.clock.advance(1);
      const after = await gpu.execute({ type: "listRegions" });
      expect(after.map(({ usedBytes, pinnedBytes }) => [usedBytes, pinnedBytes])).toEqual(
        before.map(({ usedBytes, pinnedBytes }) => [usedBytes, pinnedBytes]),
      );
      gpu.device.checkInvariants();
    }
  });
});

function boot(options: Parameters<typeof bootVirtual>[0] = {}): Promise<VirtualDevice> {
  return bootVirtual({ engines: ["rcs0", "ccs0", "bcs0", "vcs0"], ...options });
}

async function context(gpu: TestDevice, engine: string): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine, priority: "NORMAL" })).id;
}

async function submit(
  gpu: TestDevice,
  context: string,
  commands: readonly WorkCommand[],
  waitFences: readonly string[] = [],
): Promise<string> {
  return (await gpu.execute({ type: "submitWork", context, commands, waitFences })).id;
}

async function state(gpu: TestDevice, fence: string): Promise<string> {
  return (await gpu.execute({ type: "getFence", fence })).state;
}

async function states(gpu: TestDevice, fences: readonly string[]): Promise<string[]> {
  return [...new Set(await Promise.all(fences.map((fence) => state(gpu, fence))))];
}

/** Waits until all have signalled. */
async function finish(gpu: TestDevice, fences: readonly string[]): Promise<void> {
  for (const fence of fences) {
    const { state, error } = await gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 });
    expect(state, error?.message).toBe("SIGNALED");
  }
}

async function dwords(gpu: TestDevice, object: string, count: number): Promise<number[]> {
  const data = await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: count * 4 });
  const view = new DataView(data.buffer, data.byteOffset);
  return Array.from({ length: count }, (_, at) => view.getUint32(at * 4, true));
}

function store(object: string, slot: number, value: number): WorkCommand {
  return { op: "storeDword", object, offsetBytes: slot * 4, value };
}
