/** Runtime PM: a device that nobody uses suspends itself, and wakes for whoever needs it. */
import { describe, expect, test } from "vitest";
import { sleep } from "../../../src/device/clock.ts";
import { RUNTIME_TRANSITIONS_KEPT_MAX } from "../../../src/device/limits.ts";
import { DeviceError } from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import {
  ANY_OBJECT,
  bootVirtual,
  hashOf,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  together,
  type VirtualDevice,
} from "../../support/test-device.ts";

const DELAY_MS = 1000;
const HOT = { enabled: true, autosuspendDelayMs: DELAY_MS, d3coldThresholdBytes: 0 };
const COLD = { ...HOT, d3coldThresholdBytes: 16 * MIB };

describe.each([
  ["d3hot", "D3HOT", HOT],
  ["d3cold", "D3COLD", COLD],
] as const)("[xe_pm@%s] a device that is idle", (_name, dState, runtimePm) => {
  test("[basic] goes there after the delay, and tells of it; powerState stays ACTIVE", async () => {
    const gpu = await bootVirtual({ runtimePm });
    await gpu.clock.advance(DELAY_MS - 1);
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", dState: "D0" });
    await gpu.clock.advance(2000);
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", dState });
    const pm = await gpu.execute({ type: "getRuntimePm" });
    expect(pm).toMatchObject({ status: "SUSPENDED", usageCount: 0, suspends: 1 });
    const [transition] = (await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 })).transitions;
    expect(transition).toMatchObject({ kind: "RUNTIME_SUSPEND", state: "SUCCEEDED", dState });
    expect(transition.sleepState).toBeUndefined();
  });

  test("[basic-exec] [multiple-execs] wakes for work, keeps what it wrote, and goes back", async () => {
    const gpu = await bootVirtual({ runtimePm, engines: ["rcs0", "bcs0"] });
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const context = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "NORMAL" });
    for (let round = 1; round <= 3; round++) {
      await gpu.clock.advance(3000);
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
      const fence = await gpu.execute({
        type: "submitWork",
        context: context.id,
        commands: [{ op: "storeDword", object, offsetBytes: round * 4, value: 0xc0ffee }],
        waitFences: [],
        waitMs: 60_000,
      });
      expect(fence.state).toBe("SIGNALED");
    }
    const words = new Uint32Array((await gpu.download(object)).buffer, 0, 5);
    expect([...words]).toEqual([0, 0xc0ffee, 0xc0ffee, 0xc0ffee, 0]);
    expect(await gpu.execute({ type: "getRuntimePm" })).toMatchObject({ suspends: 3 });
  });

  test("[mmap-vram] reads and writes wake it, and find every byte; looking at it does not", async () => {
    const gpu = await bootVirtual({ runtimePm });
    const { hashes, pinned } = await populate(gpu);
    const extents = (await gpu.execute({ type: "getObject", object: pinned })).extents;
    for (let round = 0; round < 3; round++) {
      await gpu.clock.advance(3000);
      await gpu.execute({ type: "listObjects", afterId: "", limit: 10, showDeviceOwned: false });
      await gpu.execute({ type: "listRegions" });
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
      await expectBytes(gpu, hashes);
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D0");
    }
    expect((await gpu.execute({ type: "getObject", object: pinned })).extents).toEqual(extents);
    gpu.device.checkInvariants();
  });

  test("[invariant 70] is awake as long as somebody uses it, whoever comes meanwhile", async () => {
    const gpu = await bootVirtual({ runtimePm, engines: ["rcs0", "bcs0"] });
    const context = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "NORMAL" });
    await gpu.execute({
      type: "submitWork",
      context: context.id,
      commands: [{ op: "spin", durationMs: 1500 }],
      waitFences: [],
    });
    await gpu.clock.advance(1400);
    expect(await gpu.execute({ type: "getRuntimePm" })).toMatchObject({ status: "ACTIVE", usageCount: 1 });
    for (let each = 0; each < 5; each++) {
      await gpu.clock.advance(DELAY_MS - 100);
      await gpu.execute({ ...ANY_OBJECT, sizeBytes: 64 * KIB });
    }
    expect((await gpu.execute({ type: "getRuntimePm" })).suspends).toBe(0);
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getRuntimePm" })).suspends).toBe(1);
  });

  test("[invariant 73] many callers wake it once, and each is served once", async () => {
    const gpu = await bootVirtual({ runtimePm });
    await gpu.clock.advance(3000);
    const created = await gpu.clock.run(
      Promise.all(Array.from({ length: 50 }, () => gpu.device.execute(ANY_OBJECT))),
    );
    expect(new Set(created.map((object) => object.id)).size).toBe(50);
    const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 10 });
    expect(transitions.map((each) => each.kind)).toEqual(["RUNTIME_RESUME", "RUNTIME_SUSPEND"]);
  });

  test.each(["S2IDLE", "S3", "S4"] as const)(
    "[xe_pm@*-basic-exec] [scenarios 16, 29] is woken for %s, and goes back to sleep by itself after it",
    async (state) => {
      const gpu = await bootVirtual({ runtimePm, images: new MemoryImageStore() });
      const { hashes } = await populate(gpu);
      await gpu.clock.advance(3000);
      expect(await gpu.execute({ type: "suspend", state })).toMatchObject({ state: "SUCCEEDED" });
      expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
      await gpu.clock.advance(3000);
      await gpu.execute({ type: "resume" });
      const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 10 });
      expect(transitions.map((each) => each.kind)).toEqual([
        "RESUME",
        "SUSPEND",
        "RUNTIME_RESUME",
        "RUNTIME_SUSPEND",
      ]);
      await gpu.clock.advance(3000);
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
      await expectBytes(gpu, hashes);
    },
  );

  test("answers a resume with the transition that a client asked for, and plans as an awake device would", async () => {
    const gpu = await bootVirtual({ runtimePm });
    await populate(gpu);
    const plan = await gpu.execute({ type: "planSuspend" });
    await gpu.clock.advance(3000);
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ alreadyInState: true, kind: "RESUME" });
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
    expect((await gpu.execute({ type: "planSuspend" })).backupBlit).toEqual(plan.backupBlit);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D0");
  });

  test("can be reset from there", async () => {
    const gpu = await bootVirtual({ runtimePm });
    const { hashes } = await populate(gpu);
    await gpu.clock.advance(3000);
    await gpu.execute({ type: "resetDevice", scope: "GT" });
    await expectBytes(gpu, hashes);
    await gpu.clock.advance(3000);
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ dState: "D0", powerState: "ACTIVE" });
    gpu.device.checkInvariants();
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getDevice" })).dState).not.toBe("D0");
    expect(hashOf(await gpu.download(await gpu.upload(patternOf(7, MIB))))).toBe(hashOf(patternOf(7, MIB)));
  });
});

describe("[invariant 71] the depth of the sleep", () => {
  test("is D3hot from the threshold on, and then nothing is copied", async () => {
    const gpu = await bootVirtual({ runtimePm: { ...COLD, d3coldThresholdBytes: 4 * MIB } });
    const { hashes } = await populate(gpu);
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3HOT");
    const [hot] = (await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 })).transitions;
    expect(hot.phases.map((each) => each.phase)).toEqual(["prepare", "idle", "power_off"]);
    expect(hot.phases.every((each) => each.bytes === 0)).toBe(true);
    for (const object of hashes.keys()) {
      if ((await gpu.execute({ type: "getObject", object })).pinCount > 0) {
        await gpu.execute({ type: "unpinObject", object });
      }
      await gpu.execute({ type: "deleteObject", object });
    }
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
  });

  test("[scenario 121] a failed eviction leaves the device awake with every byte; it tries again after the next use", async () => {
    const { gpu, failpoints } = await bootFaulty({ runtimePm: COLD });
    const { hashes } = await populate(gpu);
    failpoints.arm("evict.object", ERROR_ONCE);
    await gpu.clock.advance(10_000);
    expect(failpoints.get("evict.object").hits).toBe(1);
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ dState: "D0", powerState: "ACTIVE" });
    gpu.device.checkInvariants();
    await expectBytes(gpu, hashes);
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
    await expectBytes(gpu, hashes);
  });

  test("a call in the middle of going to sleep stops that, and is served", async () => {
    const { gpu, failpoints } = await bootFaulty({ runtimePm: COLD });
    const { hashes } = await populate(gpu);
    failpoints.arm("evict.before", { ...ERROR_ONCE, action: "DELAY", delayMs: 500 });
    await gpu.clock.advance(DELAY_MS + 100);
    expect((await gpu.execute({ type: "getRuntimePm" })).status).toBe("SUSPENDING");
    await expectBytes(gpu, hashes);
    const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 10 });
    expect(transitions.map((each) => [each.kind, each.state])).toEqual([["RUNTIME_SUSPEND", "CANCELLED"]]);
  });
});

describe("a wake-up that fails", () => {
  test("before power is on leaves the device asleep; the caller is told, and the next one wakes it", async () => {
    const { gpu, failpoints } = await bootFaulty({ runtimePm: COLD });
    const { hashes } = await populate(gpu);
    await gpu.clock.advance(3000);
    failpoints.arm("powerOn.before", ERROR_ONCE);
    expect(await reasonOf(gpu.execute(ANY_OBJECT))).toBe("COPY_FAILED");
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({
      powerState: "ACTIVE",
      dState: "D3COLD",
    });
    await expectBytes(gpu, hashes);
  });

  test("is seen: in the state, in what is refused with its cause, and Resume tries again", async () => {
    const { gpu, failpoints } = await bootFaulty({ runtimePm: COLD });
    const { hashes } = await populate(gpu);
    await gpu.clock.advance(3000);
    const { etag } = await gpu.execute({ type: "getDevice" });
    failpoints.arm("powerOn.before", { ...ERROR_ONCE, count: 2 });
    const suspend = gpu.execute({ type: "suspend", state: "S3" });
    await expect(suspend).rejects.toMatchObject({
      reason: "DEVICE_FAILED",
      metadata: { cause: "COPY_FAILED" },
    });
    const seen = await gpu.execute({ type: "getDevice" });
    expect(seen).toMatchObject({ dState: "D3COLD", error: { reason: "COPY_FAILED" } });
    expect(seen.etag).not.toBe(etag);
    expect((await gpu.execute({ type: "getRuntimePm" })).status).toBe("ERROR");
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ alreadyInState: false });
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ dState: "D0", error: undefined });
    expect((await gpu.execute({ type: "getRuntimePm" })).status).toBe("ACTIVE");
    await expectBytes(gpu, hashes);
  });

  test("later leaves it FAILED with its backups, and a resume completes it", async () => {
    const { gpu, failpoints } = await bootFaulty({ runtimePm: COLD });
    const { hashes, pinned } = await populate(gpu);
    await gpu.clock.advance(3000);
    failpoints.arm("restoreLate.object", ERROR_ONCE);
    const failure = gpu.execute(ANY_OBJECT);
    await expect(failure).rejects.toMatchObject({ metadata: { notRestored: pinned, notRestoredCount: "1" } });
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
    expect(await reasonOf(gpu.execute(ANY_OBJECT))).toBe("DEVICE_FAILED");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED" });
    await expectBytes(gpu, hashes);
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
  });
});

test("its transitions are many and push out none that a client asked for", async () => {
  const gpu = await bootVirtual({ runtimePm: COLD });
  const asked = await gpu.execute({ type: "suspend", state: "S2IDLE" });
  await gpu.execute({ type: "resume" });
  const object = await gpu.upload(patternOf(1, 64 * KIB));
  for (let round = 0; round < RUNTIME_TRANSITIONS_KEPT_MAX; round++) {
    await gpu.clock.advance(DELAY_MS + 500);
    await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: 1 });
  }
  expect((await gpu.execute({ type: "getTransition", transition: asked.id })).kind).toBe("SUSPEND");
  const page = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1000 });
  expect(page.transitions.filter(({ kind }) => kind.startsWith("RUNTIME"))).toHaveLength(
    RUNTIME_TRANSITIONS_KEPT_MAX,
  );
});

describe("its settings", () => {
  test("are off at first, with the delay and threshold of the driver", async () => {
    const gpu = await bootVirtual();
    await gpu.clock.advance(10_000);
    expect(await gpu.execute({ type: "getRuntimePm" })).toMatchObject({
      enabled: false,
      autosuspendDelayMs: 1000,
      d3coldThresholdBytes: 16 * MIB,
      status: "ACTIVE",
      suspends: 0,
    });
  });

  test("can be changed at any time: switching it off wakes the device", async () => {
    const gpu = await bootVirtual({ runtimePm: COLD });
    await gpu.clock.advance(3000);
    const off = await gpu.execute({ type: "updateRuntimePm", enabled: false });
    expect(off).toMatchObject({ enabled: false, status: "ACTIVE", autosuspendDelayMs: DELAY_MS });
    expect(off.suspendedNs).toBeGreaterThan(0n);
    await gpu.clock.advance(10_000);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D0");
    await gpu.execute({ type: "updateRuntimePm", enabled: true, autosuspendDelayMs: 50 });
    await gpu.clock.advance(200);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
  });

  test.each([
    ["a delay below 0", { autosuspendDelayMs: -1 }],
    ["a delay that is no number", { autosuspendDelayMs: Number.NaN }],
    ["a threshold above local memory", { d3coldThresholdBytes: 17 * MIB }],
    ["a threshold below 0", { d3coldThresholdBytes: -1 }],
  ])("refuse %s and stay as they were", async (_what, change) => {
    const gpu = await bootVirtual({ runtimePm: HOT });
    expect(await reasonOf(gpu.execute({ type: "updateRuntimePm", ...change }))).toBe("INVALID_REQUEST");
    expect(await gpu.execute({ type: "getRuntimePm" })).toMatchObject(HOT);
  });

  test("do not put a wedged device to sleep: waking it would make it whole unasked", async () => {
    const gpu = await bootVirtual({ runtimePm: COLD });
    await gpu.clock.run(gpu.device.gt.setWedged("a test says so"));
    await gpu.execute(ANY_OBJECT);
    await gpu.clock.advance(10_000);
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ dState: "D0", wedged: true });
  });
});

describe("after it was woken by somebody who did not come to use it, or could not sleep, a device", () => {
  test.each([
    ["a plan", { type: "planSuspend" }],
    ["a rehearsal", { type: "suspend", state: "S3", validateOnly: true }],
    ["a reset of the GT", { type: "resetDevice", scope: "GT" }],
  ] as const)("goes back to sleep: %s", async (_what, command) => {
    const gpu = await bootVirtual({ runtimePm: COLD });
    await gpu.clock.advance(2 * DELAY_MS);
    await gpu.execute(command);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D0");
    await gpu.clock.advance(2 * DELAY_MS);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
  });

  test("goes to sleep once a reset has mended it", async () => {
    const gpu = await bootVirtual({ runtimePm: COLD });
    await gpu.clock.run(gpu.device.gt.setWedged("a test says so"));
    await gpu.clock.advance(2 * DELAY_MS);
    await gpu.execute({ type: "resetDevice", scope: "GT" });
    await gpu.clock.advance(2 * DELAY_MS);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
  });
});

describe("ResetDevice FACTORY of a device that goes to sleep", () => {
  test("comes before the call that was to wake it: that finds the device as new", async () => {
    const { gpu, failpoints } = await bootFaulty({ runtimePm: COLD });
    const { pinned } = await populate(gpu);
    failpoints.arm("powerOff.after", { ...ERROR_ONCE, action: "DELAY", delayMs: 500 });
    failpoints.arm("restoreLate.object", { ...ERROR_ONCE, action: "DELAY", delayMs: 50 });
    await gpu.clock.advance(DELAY_MS + 300);
    expect((await gpu.execute({ type: "getRuntimePm" })).status).toBe("SUSPENDING");
    // The reset is slow at first: a wake-up that did not wait for it would be in the middle of its backups when it drops them.
    for (const { engine } of gpu.device.gt.units) {
      const halt = engine.halt.bind(engine);
      engine.halt = () => {
        engine.halt = halt;
        return sleep(gpu.clock, 20).then(halt);
      };
    }
    const [created, unpinned, reset] = await together(gpu, [
      ANY_OBJECT,
      { type: "unpinObject", object: pinned },
      { type: "resetDevice", scope: "FACTORY" },
    ]);
    expect(reset).toMatchObject({ status: "fulfilled", value: { powerState: "ACTIVE", dState: "D0" } });
    expect(created.status).toBe("fulfilled");
    expect(unpinned).toMatchObject({ status: "rejected", reason: { reason: "OBJECT_NOT_FOUND" } });
    const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 10 });
    expect(transitions.map((each) => each.kind)).toEqual(["RUNTIME_SUSPEND"]);
    gpu.device.checkInvariants();
  });

  test("that cannot start the GT leaves it asleep, and the next call wakes it", async () => {
    const gpu = await bootVirtual({ runtimePm: COLD });
    await gpu.clock.advance(2 * DELAY_MS);
    const [{ engine }] = gpu.device.gt.units;
    const powerOn = engine.powerOn.bind(engine);
    engine.powerOn = () => Promise.reject(new DeviceError("ENGINE_HUNG", "A test says so."));
    expect(await reasonOf(gpu.execute({ type: "resetDevice", scope: "FACTORY" }))).toBe("ENGINE_HUNG");
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
    engine.powerOn = powerOn;
    await gpu.execute(ANY_OBJECT);
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ dState: "D0", wedged: false });
  });
});

/** One object in each place, one of them pinned. */
async function populate(gpu: VirtualDevice): Promise<{ hashes: Map<string, string>; pinned: string }> {
  const hashes = new Map<string, string>();
  for (const [seed, regions] of [["lmem0", "smem"], ["lmem0"], ["smem"], ["lmem0", "smem"]].entries()) {
    const bytes = patternOf(seed + 1, 2 * MIB);
    hashes.set(await gpu.upload(bytes, { regions }), hashOf(bytes));
  }
  const [pinned] = hashes.keys();
  await gpu.execute({ type: "pinObject", object: pinned });
  return { hashes, pinned };
}

async function expectBytes(gpu: VirtualDevice, hashes: ReadonlyMap<string, string>): Promise<void> {
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id))).toBe(hash);
}
