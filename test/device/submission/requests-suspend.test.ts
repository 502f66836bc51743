/** Scenarios A and B of docs/conformance.md that concern execution: suspend, wedge and reset with work. */
import { describe, expect, test } from "vitest";
import type { WorkCommand } from "../../../src/device/mod.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
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
const STATES = ["S2IDLE", "S3", "S4"] as const;
const HANG: WorkCommand[] = [{ op: "hang" }];
const SPIN: WorkCommand[] = [{ op: "spin", durationMs: 1 }];
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

describe.each(STATES)("a suspend to %s", (sleep) => {
  test("[gem_exec_suspend@basic] keeps the results of 1024 stores, from batches deleted as soon as they were submitted", async () => {
    const gpu = await boot();
    const slots = await gpu.upload(new Uint8Array(64 * KIB), { regions: ["lmem0"] });
    const contexts = await Promise.all(
      ENGINES.map((engine) => gpu.device.execute({ type: "createContext", engine, priority: "NORMAL" })),
    );
    for (const value of range(1024)) {
      const batch = (
        await gpu.execute({
          type: "createObject",
          sizeBytes: 64 * KIB,
          regions: [],
          flags: [],
          alignmentBytes: 0,
          label: "",
        })
      ).id;
      await submit(gpu, contexts[(value * 7) % 4].id, [
        store(batch, 0, value),
        {
          op: "copy",
          source: batch,
          sourceOffsetBytes: 0,
          destination: slots,
          destinationOffsetBytes: value * 4,
          lengthBytes: 4,
        },
      ]);
      await gpu.execute({ type: "deleteObject", object: batch });
    }
    await gpu.execute({ type: "suspend", state: sleep });
    await gpu.execute({ type: "resume" });
    expect(await dwords(gpu, slots, 1024)).toEqual(range(1024));
    for (const [index, { id }] of contexts.entries())
      await finish(gpu, [await submit(gpu, id, [store(slots, index, 5000 + index)])]);
    expect(await dwords(gpu, slots, 4)).toEqual([5000, 5001, 5002, 5003]);
    gpu.device.checkInvariants();
  });

  test("[gem_exec_suspend@hang] [invariants 40, 42, 45] with a hang on every engine ends in time; stores stand, hung fences fail, the device works", async () => {
    const gpu = await boot();
    const slots = await gpu.upload(new Uint8Array(64 * KIB), { regions: ["lmem0"] });
    const contexts: string[] = [];
    for (const engine of ENGINES) contexts.push(await context(gpu, engine));
    const stores: string[] = [];
    for (const value of range(256))
      stores.push(await submit(gpu, contexts[value % 4], [store(slots, value, value)]));
    await finish(gpu, stores);
    const hung: string[] = [];
    const behind: string[] = [];
    for (const id of contexts) {
      hung.push(await submit(gpu, id, HANG));
      behind.push(await submit(gpu, id, SPIN));
    }
    await gpu.clock.advance(1);
    const before = gpu.clock.monotonicNs();
    expect(await gpu.execute({ type: "suspend", state: sleep })).toMatchObject({
      state: "SUCCEEDED",
      wedged: true,
    });
    expect(Number(gpu.clock.monotonicNs() - before) / 1e6, "[invariant 41]").toBeLessThan(3000);
    expect(await states(gpu, hung)).toEqual(["FAILED"]);
    expect(await states(gpu, behind)).not.toContain("PENDING");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    expect(await dwords(gpu, slots, 256)).toEqual(range(256));
    for (const id of contexts) await finish(gpu, [await submit(gpu, id, SPIN)]);
    gpu.device.checkInvariants();
  });

  test("[xe_pm@basic-exec] [xe_pm@exec-after] work before and after, and things made only afterwards", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const ctx = await context(gpu, "rcs0");
    await finish(gpu, [await submit(gpu, ctx, [store(object, 0, 0xc0ffee)])]);
    await gpu.execute({ type: "suspend", state: sleep });
    expect(await reasonOf(submit(gpu, ctx, SPIN))).toBe("DEVICE_SUSPENDED");
    await gpu.execute({ type: "resume" });
    await finish(gpu, [await submit(gpu, ctx, [store(object, 1, 0xc0ffee)])]);
    const later = await gpu.upload(new Uint8Array(64 * KIB));
    await finish(gpu, [await submit(gpu, await context(gpu, "ccs0"), [store(later, 0, 7)])]);
    expect([await dwords(gpu, object, 2), await dwords(gpu, later, 1)]).toEqual([[0xc0ffee, 0xc0ffee], [7]]);
  });

  test("[xe_pm@multiple-execs] in the middle of many contexts on each engine, all of whose values are there", async () => {
    const gpu = await boot();
    const objects: string[] = [];
    const contexts: string[] = [];
    for (const engine of ENGINES) {
      for (const _ of range(4)) {
        contexts.push(await context(gpu, engine));
        objects.push(await gpu.upload(new Uint8Array(64 * KIB)));
      }
    }
    const round = async (from: number): Promise<string[]> => {
      const fences: string[] = [];
      for (const slot of range(8))
        for (const [at, id] of contexts.entries())
          fences.push(await submit(gpu, id, [store(objects[at], from + slot, 0xc0ffee)]));
      return fences;
    };
    const fences = await round(0);
    await gpu.clock.advance(0.1);
    await gpu.execute({ type: "suspend", state: sleep });
    await gpu.execute({ type: "resume" });
    fences.push(...(await round(8)));
    await finish(gpu, fences);
    for (const object of objects) expect(new Set(await dwords(gpu, object, 16))).toEqual(new Set([0xc0ffee]));
  });

  test("[gem_ctx_isolation@preservation] [invariant 51] keeps the registers of an idle context on each engine", async () => {
    const gpu = await boot();
    const contexts: string[] = [];
    for (const [index, engine] of ENGINES.entries()) {
      contexts.push(await context(gpu, engine));
      await finish(gpu, [
        await submit(
          gpu,
          contexts[index],
          range(16).map((register) => ({
            op: "loadRegister",
            register,
            value: BigInt(index * 100 + register) << 33n,
          })),
        ),
      ]);
    }
    await gpu.execute({ type: "suspend", state: sleep });
    await gpu.execute({ type: "resume" });
    for (const [index, id] of contexts.entries()) {
      const expected = range(16).map((register) => BigInt(index * 100 + register) << 33n);
      expect((await gpu.execute({ type: "getContext", context: id })).registers).toEqual(expected);
      await finish(gpu, [await submit(gpu, id, SPIN)]);
      expect((await gpu.execute({ type: "getContext", context: id })).registers).toEqual(expected);
    }
  });

  test("[gem_ringfill@engines] while full rings drain, every request completes and in order", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const ctx = await context(gpu, "rcs0");
    const fences: string[] = [];
    for (const value of range(1000))
      fences.push(await submit(gpu, ctx, [store(object, 0, value), store(object, value + 1, value)]));
    expect(await reasonOf(Promise.all(range(30).map(() => submit(gpu, ctx, SPIN))))).toBe("LIMIT_EXCEEDED");
    await gpu.clock.advance(0.3);
    expect((await gpu.execute({ type: "suspend", state: sleep })).wedged).toBe(false);
    expect(await states(gpu, fences)).toEqual(["SIGNALED"]);
    await gpu.execute({ type: "resume" });
    expect(await dwords(gpu, object, 1001)).toEqual([999, ...range(1000)]);
  });

  test("[gem_eio@suspend] [invariant 43] of a wedged idle device copies by CPU, and resume unwedges it", async () => {
    const gpu = await boot();
    const pinned = await gpu.upload(patternOf(1, MIB));
    await gpu.execute({ type: "pinObject", object: pinned });
    const free = await gpu.upload(patternOf(2, MIB));
    await gpu.clock.run(gpu.device.gt.setWedged("a test said so"));
    const suspended = await gpu.execute({ type: "suspend", state: sleep });
    expect(suspended.phases.every((phase) => phase.blitterBytes === 0)).toBe(true);
    await gpu.execute({ type: "resume" });
    expect([hashOf(await gpu.download(pinned)), hashOf(await gpu.download(free))]).toEqual([
      hashOf(patternOf(1, MIB)),
      hashOf(patternOf(2, MIB)),
    ]);
    await finish(gpu, [await submit(gpu, await context(gpu, "rcs0"), SPIN)]);
  });

  test("[gem_eio@in-flight-suspend] [kst:live_gt_resume] [invariants 73, 80] with work queued, blocked and running in every form ends, and everything settles", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const busy = await context(gpu, "rcs0");
    const running = await submit(gpu, busy, [store(object, 0, 1), { op: "spin", durationMs: 60_000 }]);
    const fences = [
      running,
      await submit(gpu, busy, SPIN),
      await submit(gpu, await context(gpu, "rcs0"), SPIN),
      await submit(gpu, await context(gpu, "ccs0"), [
        { op: "waitSemaphore", object, offsetBytes: 8, value: 1 },
      ]),
      await submit(gpu, await context(gpu, "vcs0"), SPIN, [running]),
      await submit(gpu, await context(gpu, "bcs0"), HANG),
    ];
    await gpu.execute({ type: "suspend", state: sleep });
    const ended = await Promise.all(fences.map((fence) => state(gpu, fence)));
    expect(ended).not.toContain("PENDING");
    expect(ended[0]).toBe("FAILED");
    gpu.device.checkInvariants();
    await gpu.execute({ type: "resume" });
    for (const engine of ENGINES) await finish(gpu, [await submit(gpu, await context(gpu, engine), SPIN)]);
    expect((await dwords(gpu, object, 1))[0]).toBe(1);
    gpu.device.checkInvariants();
  });
});

test("[scenario 144] [invariant 79] a spinner on A never costs B and C their bytes, nor A those that were written before", async () => {
  const gpu = await boot();
  const bytes = [1, 2, 3].map((seed) => patternOf(seed, MIB));
  const objects: string[] = [];
  for (const each of bytes.toReversed()) objects.unshift(await gpu.upload(each, { regions: ["lmem0"] }));
  const fence = await submit(gpu, await context(gpu, "bcs0"), [
    store(objects[0], 0, 9),
    { op: "spin", durationMs: 60_000 },
    ...HANG,
  ]);
  await gpu.clock.advance(1);
  const suspended = await gpu.execute({ type: "suspend", state: "S3" });
  expect(suspended.phases.find(({ phase }) => phase === "evict")).toMatchObject({
    objects: 2,
    memcpyBytes: 0,
  });
  expect(await state(gpu, fence)).toBe("FAILED");
  await gpu.execute({ type: "resume" });
  const [a, b, c] = await Promise.all(
    objects.map((object) =>
      gpu.device.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: MIB }),
    ),
  );
  expect([hashOf(b), hashOf(c), hashOf(a.subarray(4))]).toEqual([
    hashOf(bytes[1]),
    hashOf(bytes[2]),
    hashOf(bytes[0].subarray(4)),
  ]);
});

function boot(options: Parameters<typeof bootVirtual>[0] = {}): Promise<VirtualDevice> {
  return bootVirtual({ engines: ENGINES, images: new MemoryImageStore(), ...options });
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
