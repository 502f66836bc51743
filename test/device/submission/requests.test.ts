/** Requests run once, in order, whatever preempts, resets or stops the engine under them. Under virtual time. */
import { describe, expect, test } from "vitest";
import type { ContextPriority, WorkCommand } from "../../../src/device/mod.ts";
import { bootVirtual, KIB, MIB, patternOf, type VirtualDevice } from "../../support/test-device.ts";

const HANG: WorkCommand[] = [{ op: "hang" }];
const SPIN: WorkCommand[] = [{ op: "spin", durationMs: 1 }];

describe("a request runs once", () => {
  test("[invariant 8] when its context is preempted between two of its requests", async () => {
    for (let at = 0; at < 12; at++) {
      const gpu = await boot();
      const first = await gpu.upload(new Uint8Array(512 * KIB));
      const second = await gpu.upload(new Uint8Array(512 * KIB));
      const low = await context(gpu, "rcs0", "LOW");
      const high = await context(gpu, "rcs0", "HIGH");
      await submit(gpu, high, SPIN);
      await drain(gpu);
      const fences = [
        await submit(gpu, low, addOne(first, 512 * KIB)),
        await submit(gpu, low, addOne(second, 512 * KIB)),
      ];
      await gpu.clock.advance(0.01 + at * 0.01);
      await finish(gpu, [await submit(gpu, high, SPIN), ...fences]);
      expect([await dword(gpu, first, 0), await dword(gpu, second, 0)], `at ${at}`).toEqual([1, 1]);
    }
  });

  test("[kst:igt_reset] when an engine is reset while its context goes on submitting", async () => {
    for (let at = 0; at < 28; at++) {
      const gpu = await boot();
      const guilty = await context(gpu, "rcs0");
      const innocent = await context(gpu, "rcs0");
      const objects = await uploads(gpu, 3);
      const hung = await submit(gpu, guilty, HANG);
      const fences = [await submit(gpu, innocent, addOne(objects[0], 4))];
      await gpu.clock.advance(1);
      const reset = gpu.device.execute({ type: "resetEngine", engine: "rcs0" });
      const more = afterTurns(gpu, at, () => gpu.device.execute(work(innocent, addOne(objects[1], 4))));
      await gpu.clock.run(reset);
      fences.push((await gpu.clock.run(more)).id, await submit(gpu, innocent, addOne(objects[2], 4)));
      await finish(gpu, fences);
      expect(await state(gpu, hung)).toBe("FAILED");
      expect(await Promise.all(objects.map((object) => dword(gpu, object, 0)))).toEqual([1, 1, 1]);
    }
  });

  test("when an engine is reset at any moment of a preemption", async () => {
    for (let at = 0; at < 30; at++) {
      const gpu = await boot();
      const low = await context(gpu, "rcs0", "LOW");
      const high = await context(gpu, "rcs0", "HIGH");
      const objects = await uploads(gpu, 2);
      const spin = await submit(gpu, low, [{ op: "spin", durationMs: 50 }, ...addOne(objects[0], 4)]);
      await gpu.clock.advance(1);
      const urgent = gpu.device.execute(work(high, addOne(objects[1], 4)));
      const reset = { type: "resetEngine", engine: "rcs0" } as const;
      await gpu.clock.run(afterTurns(gpu, at, () => gpu.device.execute(reset)));
      const { id } = await gpu.clock.run(urgent);
      await drain(gpu);
      for (const [index, fence] of [spin, id].entries()) {
        const done = (await state(gpu, fence)) === "SIGNALED";
        expect([0, 1], `at ${at}`).toContain(await dword(gpu, objects[index], 0));
        if (done) expect(await dword(gpu, objects[index], 0), `at ${at}`).toBe(1);
      }
      const { lastHang } = await gpu.execute({ type: "getEngine", engine: "rcs0" });
      const failed = [];
      for (const fence of [spin, id]) if ((await state(gpu, fence)) === "FAILED") failed.push(fence);
      expect(failed, `at ${at}: only what ran is to blame`).toEqual(lastHang?.fence ? [lastHang.fence] : []);
      gpu.device.checkInvariants();
    }
  });
});

describe("while the GT is reset", () => {
  test("memory moves by CPU, and the reset is not disturbed", async () => {
    for (let at = 0; at < 28; at++) {
      const gpu = await boot();
      const bytes = patternOf(1, MIB);
      const object = await gpu.upload(bytes);
      const reset = gpu.device.execute({ type: "resetDevice", scope: "GT" });
      const evicted = afterTurns(gpu, at, () => gpu.device.execute({ type: "evictRegion", region: "lmem0" }));
      expect((await gpu.clock.run(reset)).wedged).toBe(false);
      await gpu.clock.run(evicted);
      expect(Number(gpu.clock.monotonicNs()) / 1e6, "no copy waits for its timeout").toBeLessThan(10_000);
      expect(Buffer.compare(await gpu.download(object), bytes)).toBe(0);
    }
  });

  test("requests that arrive end, each once", async () => {
    for (let at = 0; at < 28; at++) {
      const gpu = await boot();
      const busy = await context(gpu, "rcs0");
      const objects = await uploads(gpu, 3);
      const slow = await submit(gpu, busy, [{ op: "spin", durationMs: 5 }]);
      await gpu.clock.advance(1);
      const reset = gpu.device.execute({ type: "resetDevice", scope: "GT" });
      const submitted = afterTurns(gpu, at, () =>
        Promise.all(objects.map((object) => gpu.device.execute(work(busy, addOne(object, 4))))),
      );
      await gpu.clock.run(reset);
      const fences = (await gpu.clock.run(submitted)).map(({ id }) => id);
      await drain(gpu);
      expect(await state(gpu, slow)).toBe("FAILED");
      for (const [index, fence] of fences.entries()) {
        const done = (await state(gpu, fence)) === "SIGNALED";
        expect(await dword(gpu, objects[index], 0), `at ${at}`).toBe(done ? 1 : 0);
      }
      const after = await submit(gpu, busy, SPIN);
      await finish(gpu, [after]);
    }
  });

  test("an engine that is being reset is waited for", async () => {
    for (let at = 0; at < 28; at++) {
      const gpu = await boot();
      const ctx = await context(gpu, "rcs0");
      const hung = await submit(gpu, ctx, HANG);
      await gpu.clock.advance(1);
      const one = gpu.device.execute({ type: "resetEngine", engine: "rcs0" });
      const whole = { type: "resetDevice", scope: "GT" } as const;
      await gpu.clock.run(afterTurns(gpu, at, () => gpu.device.execute(whole)));
      await gpu.clock.run(one);
      expect(await state(gpu, hung)).toBe("FAILED");
      await finish(gpu, [await submit(gpu, ctx, SPIN)]);
      expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
    }
  });
});

describe("a request that is failed while its objects are on their way", () => {
  test("[invariant 1] [invariant 42] brings nothing to local memory any more: a suspend that wedges loses no byte", async () => {
    const gpu = await boot({ lmem: [{ sizeBytes: 4 * MIB }] });
    const bytes = patternOf(7, 512 * KIB);
    const blockedBytes = patternOf(6, 2 * MIB);
    const blocked = await gpu.upload(blockedBytes, { regions: ["lmem0"] });
    const waiting = await gpu.upload(bytes, { regions: ["lmem0", "smem"] });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    const hog = await gpu.upload(patternOf(8, 2 * MIB), { regions: ["lmem0"] });
    const spinner = await submit(gpu, await context(gpu, "rcs0"), [
      { op: "storeDword", object: hog, offsetBytes: 0, value: 1 },
      { op: "spin", durationMs: 60_000 },
    ]);
    await gpu.clock.advance(1);
    const request = await submit(gpu, await context(gpu, "bcs0"), [
      { op: "storeDword", object: blocked, offsetBytes: 0, value: 1 },
      {
        op: "checksum",
        object: waiting,
        offsetBytes: 0,
        lengthBytes: 4,
        destination: blocked,
        destinationOffsetBytes: 4,
      },
    ]);
    await gpu.clock.advance(1);
    await gpu.execute({ type: "suspend", state: "S3" });
    expect([await state(gpu, spinner), await state(gpu, request)]).toEqual(["FAILED", "FAILED"]);
    gpu.device.checkInvariants();
    await gpu.clock.advance(1000);
    const region = (await gpu.execute({ type: "getObject", object: waiting })).region;
    expect(region).toBe("smem");
    await gpu.execute({ type: "resume" });
    expect(Buffer.compare(await gpu.download(waiting), bytes)).toBe(0);
    expect(Buffer.compare(await gpu.download(blocked), blockedBytes)).toBe(0);
    gpu.device.checkInvariants();
  });

  test("leaves alone the place of an object that was deleted meanwhile", async () => {
    const gpu = await boot();
    const [first, second] = await uploads(gpu, 2);
    const { memory } = gpu.device;
    const slot = memory.findObject(first);
    const ctx = await context(gpu, "rcs0");
    await gpu.clock.run(memory.locks.lock(slot));
    const fence = await submit(gpu, ctx, [
      { op: "storeDword", object: first, offsetBytes: 0, value: 1 },
      { op: "storeDword", object: second, offsetBytes: 0, value: 1 },
    ]);
    await gpu.clock.advance(1);
    await gpu.execute({ type: "deleteObject", object: second });
    await gpu.execute({ type: "resetDevice", scope: "GT" });
    expect(await state(gpu, fence)).toBe("FAILED");
    memory.locks.unlock(slot);
    await gpu.clock.advance(10);
    gpu.device.checkInvariants();
  });
});

describe("FACTORY reset", () => {
  test("in the middle of everything makes the device as new", async () => {
    for (const settleMs of [0, 0.05, 1, 7]) {
      const gpu = await boot({ engines: ["rcs0", "bcs0", "bcs1"], lmem: [{ sizeBytes: 4 * MIB }] });
      const fences: string[] = [];
      for (const engine of ["rcs0", "bcs0", "bcs1"]) {
        const ctx = await context(gpu, engine);
        const object = await create(gpu, MIB);
        for (let index = 0; index < 60; index++) {
          fences.push(await submit(gpu, ctx, index % 10 === 5 ? HANG : addOne(object, MIB)));
        }
      }
      await gpu.clock.advance(settleMs);
      const device = await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
      expect(device).toMatchObject({ powerState: "ACTIVE", wedged: false });
      await drain(gpu);
      gpu.device.checkInvariants();
      expect((await gpu.execute({ type: "listContexts", afterId: "", limit: 10 })).contexts).toEqual([]);
      expect(gpu.device.gt.scheduler.idle).toBe(true);
      const ctx = await context(gpu, "rcs0");
      const object = await create(gpu, MIB);
      await finish(gpu, [await submit(gpu, ctx, addOne(object, 4))]);
      expect(await dword(gpu, object, 0)).toBe(1);
    }
  });
});

describe("closing the device", () => {
  test("settles every fence and leaves no timer", async () => {
    const gpu = await boot();
    const ctx = await context(gpu, "rcs0");
    const object = await create(gpu, MIB);
    const fences = [await submit(gpu, ctx, HANG)];
    for (let index = 0; index < 5; index++) fences.push(await submit(gpu, ctx, addOne(object, 4)));
    await gpu.clock.advance(1);
    await gpu.clock.run(gpu.device.close());
    await gpu.clock.advance(0);
    for (const fence of fences) expect(await state(gpu, fence)).toBe("FAILED");
    await expectNothingPending(gpu);
  });
});

test("[invariant 49] [kst:live_heartbeat_off] a device that has become idle has no timer left, and none after a sleep", async () => {
  const gpu = await boot();
  const object = await create(gpu, MIB);
  const ctx = await context(gpu, "rcs0");
  const fence = await submit(gpu, ctx, [{ op: "spin", durationMs: 20_000 }, ...addOne(object, 4)]);
  expect(await gpu.execute({ type: "getEngine", engine: "rcs0" })).toMatchObject({ state: "RUNNING" });
  await finish(gpu, [fence]);
  const parked = { state: "IDLE", queueDepth: 0, resets: 0 };
  await gpu.execute({ type: "evictRegion", region: "lmem0" });
  await drain(gpu);
  expect(await gpu.execute({ type: "getEngine", engine: "rcs0" })).toMatchObject(parked);
  await expectNothingPending(gpu);
  await gpu.execute({ type: "suspend", state: "S3" });
  await expectNothingPending(gpu);
  await gpu.execute({ type: "resume" });
  await expectNothingPending(gpu);
  expect(await gpu.execute({ type: "getEngine", engine: "rcs0" })).toMatchObject(parked);
});

/** Does something a few turns from now: a quarter of them are turns of the clock, the others of the promise queue. */
async function afterTurns<T>(gpu: VirtualDevice, turns: number, action: () => Promise<T>): Promise<T> {
  for (let turn = 0; turn < turns; turn++) {
    if (turn % 4 === 3) await gpu.clock.yield();
    else await Promise.resolve();
  }
  return action();
}

/** Under virtual time a promise that nothing can settle is an error: that is how we see that no timer is left. */
async function expectNothingPending(gpu: VirtualDevice): Promise<void> {
  await expect(gpu.clock.run(new Promise(() => {}))).rejects.toThrow("Nothing is pending");
}

function boot(options: Parameters<typeof bootVirtual>[0] = {}): Promise<VirtualDevice> {
  return bootVirtual({ engines: ["rcs0", "bcs0"], ...options });
}

async function context(
  gpu: VirtualDevice,
  engine: string,
  priority: ContextPriority = "NORMAL",
): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine, priority })).id;
}

function work(context: string, commands: readonly WorkCommand[], waitFences: readonly string[] = []) {
  return { type: "submitWork", context, commands, waitFences } as const;
}

async function submit(
  gpu: VirtualDevice,
  context: string,
  commands: readonly WorkCommand[],
): Promise<string> {
  return (await gpu.execute(work(context, commands))).id;
}

function addOne(object: string, lengthBytes: number): WorkCommand[] {
  return [{ op: "add", object, offsetBytes: 0, lengthBytes, value: 1 }];
}

async function uploads(gpu: VirtualDevice, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push(await gpu.upload(new Uint8Array(64 * KIB)));
  return ids;
}

async function create(gpu: VirtualDevice, sizeBytes: number): Promise<string> {
  const object = { sizeBytes, regions: ["lmem0"], flags: [], alignmentBytes: 0, label: "" };
  return (await gpu.execute({ type: "createObject", ...object })).id;
}

async function state(gpu: VirtualDevice, fence: string): Promise<string> {
  return (await gpu.execute({ type: "getFence", fence })).state;
}

async function dword(gpu: VirtualDevice, object: string, offsetBytes: number): Promise<number> {
  const data = await gpu.execute({ type: "readObject", object, offsetBytes, lengthBytes: 4 });
  return new DataView(data.buffer, data.byteOffset).getUint32(0, true);
}

/** Waits until all have signalled. */
async function finish(gpu: VirtualDevice, fences: readonly string[]): Promise<void> {
  for (const fence of fences) {
    const { state, error } = await gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 });
    expect(state, error?.message).toBe("SIGNALED");
  }
}

/** Lets so much time pass that nothing is left to do, and no heartbeat to beat. */
async function drain(gpu: VirtualDevice): Promise<void> {
  await gpu.clock.advance(100_000);
}
