/** The policies of power: where drivers differ, what each of them does. */
import { describe, expect, test } from "vitest";
import { DEFAULT_POLICY, type DeviceOptions, type PowerPolicy } from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice, unpinUnderneath } from "../../support/faulty-device.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  ANY_OBJECT,
  hashOf,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";

describe("notifier", () => {
  test("opportunistic, with preallocated backups, makes room by swap while it may: what was full is not", async () => {
    const full = { smem: { sizeBytes: 8 * MIB }, swap: new MemoryStore(32 * MIB) };
    const off = await boot({}, full);
    await fill(off.gpu);
    expect((await off.gpu.execute({ type: "planSuspend" })).feasible).toBe(false);
    expect(await reasonOf(off.gpu.execute({ type: "suspend", state: "S3" }))).toBe("SYSTEM_MEMORY_EXHAUSTED");

    const { gpu } = await boot(
      { notifier: "opportunistic", preallocateBackups: true },
      { ...full, swap: new MemoryStore(32 * MIB) },
    );
    const hashes = await fill(gpu);
    expect((await gpu.execute({ type: "planSuspend" })).feasible).toBe(true);
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    const phases = new Map(suspended.phases.map((each) => [each.phase, each]));
    expect(phases.get("prepare")?.objects).toBe(8);
    expect(phases.get("evict")?.objects).toBe(0);
    await gpu.execute({ type: "resume" });
    await expectBytes(gpu, hashes);
  });

  test("opportunistic forgives what does not work, and tells of it; step 1 does it then", async () => {
    const { gpu, failpoints } = await boot({ notifier: "opportunistic" });
    const hashes = await fill(gpu);
    failpoints.arm("evict.object", ERROR_ONCE);
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    expect(suspended).toMatchObject({ state: "SUCCEEDED", evictedObjects: 8 });
    expect(gpu.events.filter((event) => event.type === "phaseForgiven")).toHaveLength(1);
    await gpu.execute({ type: "resume" });
    await expectBytes(gpu, hashes);
  });
});

describe("preallocated backups", () => {
  test("are taken while system memory may still be swapped for them, and used", async () => {
    const options = { smem: { sizeBytes: 8 * MIB }, swap: new MemoryStore(32 * MIB) };
    const { gpu } = await boot({ preallocateBackups: true }, options);
    const hashes = new Map<string, string>();
    for (let seed = 0; seed < 8; seed++) {
      const bytes = patternOf(seed, MIB);
      hashes.set(await gpu.upload(bytes, { regions: ["smem"] }), hashOf(bytes));
    }
    const pinned = patternOf(99, 4 * MIB);
    const object = await gpu.upload(pinned, { regions: ["lmem0"] });
    hashes.set(object, hashOf(pinned));
    await gpu.execute({ type: "pinObject", object });
    expect((await gpu.execute({ type: "planSuspend" })).feasible).toBe(true);
    expect(await gpu.execute({ type: "suspend", state: "S3" })).toMatchObject({ state: "SUCCEEDED" });
    gpu.device.checkInvariants();
    await gpu.execute({ type: "resume" });
    gpu.device.checkInvariants();
    await expectBytes(gpu, hashes);
  });

  test("[invariant 33] that are not needed after all are dropped, and so are those of a failed suspend", async () => {
    const { gpu, failpoints } = await boot({ preallocateBackups: true });
    const bytes = patternOf(1, 2 * MIB);
    const object = await gpu.upload(bytes);
    await gpu.execute({ type: "pinObject", object });
    const used = await smemUsed(gpu);
    failpoints.arm("evict.before", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
    expect(await smemUsed(gpu)).toBe(used);
    gpu.device.checkInvariants();

    // Unpinned behind the driver's back between preallocation and step 2, as a dying exporter would (xe 7e3f4a352337).
    failpoints.arm("evict.before", { ...ERROR_ONCE, action: "DELAY", delayMs: 100 });
    await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    await gpu.clock.advance(50);
    await gpu.clock.run(unpinUnderneath(gpu, object));
    await gpu.clock.advance(1000);
    const suspended = await gpu.execute({ type: "getTransition", transition: "2" });
    expect(suspended).toMatchObject({ state: "SUCCEEDED", evictedObjects: 1 });
    gpu.device.checkInvariants();
    await gpu.execute({ type: "resume" });
    expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
    gpu.device.checkInvariants();
  });
});

describe("producers", () => {
  test("frozen refuses what comes during a transition, blocked holds it and runs it once", async () => {
    const frozen = await boot({});
    await fill(frozen.gpu);
    await frozen.gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect(await reasonOf(frozen.gpu.execute(ANY_OBJECT))).toBe("DEVICE_TRANSITION");

    const { gpu, failpoints } = await boot({ producers: "blocked" });
    await fill(gpu);
    failpoints.arm("powerOff.before", ERROR_ONCE);
    await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect((await gpu.execute(ANY_OBJECT)).id).toBe("13");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    await gpu.execute({ type: "suspend", state: "S3" });
    expect(await reasonOf(gpu.execute(ANY_OBJECT))).toBe("DEVICE_SUSPENDED");
  });
});

describe("failure", () => {
  test.each(["evict.object", "evictPinned.object", "backup.allocate"] as const)(
    "continue leaves what %s stopped to the next step: suspended, every byte",
    async (name) => {
      const { gpu, failpoints } = await boot({ failure: "continue" });
      const hashes = await fill(gpu);
      const [pinned] = hashes.keys();
      await gpu.execute({ type: "pinObject", object: pinned });
      failpoints.arm(name, ERROR_ONCE);
      expect(await gpu.execute({ type: "suspend", state: "S3" })).toMatchObject({ state: "SUCCEEDED" });
      expect(failpoints.get(name).hits).toBe(1);
      expect(gpu.events.filter((event) => event.type === "phaseForgiven")).toHaveLength(1);
      await gpu.execute({ type: "resume" });
      gpu.device.checkInvariants();
      await expectBytes(gpu, hashes);
    },
  );

  test("continue aborts when step 3 fails: the power is never cut with something unsaved", async () => {
    const { gpu, failpoints } = await boot({ failure: "continue" });
    const hashes = await fill(gpu);
    failpoints.arm("memcpy.object", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    await expectBytes(gpu, hashes);
  });

  test("continue does not go on after a cancel", async () => {
    const { gpu, failpoints } = await boot({ failure: "continue" });
    const hashes = await fill(gpu);
    failpoints.arm("evict.object", { ...ERROR_ONCE, action: "DELAY", delayMs: 100 });
    const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect(await gpu.execute({ type: "cancelTransition", transition: id })).toMatchObject({
      state: "CANCELLED",
    });
    await expectBytes(gpu, hashes);
  });
});

describe("step 1", () => {
  test("idle_only leaves an object in use to step 2; chain waits for its work and takes it along", async () => {
    for (const step1 of ["idle_only", "chain"] as const) {
      const { gpu } = await boot({ step1 }, { engines: ["rcs0", "bcs0"] });
      const hashes = await fill(gpu);
      const [busy] = hashes.keys();
      await spinOn(gpu, busy, 100);
      const suspended = await gpu.execute({ type: "suspend", state: "S3" });
      const phases = new Map(suspended.phases.map((each) => [each.phase, each.objects]));
      // Step 2 also evicts image and ring of the context, which work had pinned.
      expect([step1, phases.get("evict"), phases.get("evict_pinned")]).toEqual(
        step1 === "chain" ? ["chain", 10, 0] : ["idle_only", 7, 3],
      );
      expect(suspended.wedged).toBe(false);
      await gpu.execute({ type: "resume" });
      hashes.delete(busy);
      await expectBytes(gpu, hashes);
    }
  });

  test("[scenario 144] chain does not wait for ever: a hung request keeps its own object and nobody else's", async () => {
    const { gpu } = await boot({ step1: "chain" }, { engines: ["rcs0", "bcs0"] });
    const hashes = await fill(gpu);
    const [busy] = hashes.keys();
    await spinOn(gpu, busy, 3_600_000);
    const suspended = await gpu.execute({ type: "suspend", state: "S3", idleTimeoutMs: 300 });
    expect(suspended).toMatchObject({ state: "SUCCEEDED", wedged: true });
    expect(suspended.phases.find((each) => each.phase === "evict")?.objects).toBe(7);
    await gpu.execute({ type: "resume" });
    hashes.delete(busy);
    await expectBytes(gpu, hashes);
  });
});

test("a cancel is heard by step 1 that chains, whatever it was doing when that came", async () => {
  const { gpu } = await boot({ step1: "chain" }, { engines: ["rcs0", "bcs0"] });
  const [busy] = (await fill(gpu)).keys();
  await spinOn(gpu, busy, 3_600_000);
  const { id } = await gpu.execute({ type: "suspend", state: "S3", idleTimeoutMs: 600_000, waitMs: 0 });
  // Nothing is left to be started, and copies are in flight.
  await gpu.clock.advance(0.1);
  const cancelled = gpu.device.execute({ type: "cancelTransition", transition: id });
  await gpu.clock.advance(1000);
  expect((await gpu.execute({ type: "getTransition", transition: id })).state).toBe("CANCELLED");
  await gpu.clock.run(cancelled);
});

describe("when the GT does not start", () => {
  test.each(["firmware.load", "engine.start"] as const)(
    "after %s: memcpy_restore brings everything back by CPU, ACTIVE and wedged; a reset makes it whole",
    async (name) => {
      const { gpu, failpoints } = await boot({ gtResumeFailure: "memcpy_restore" });
      const hashes = await fill(gpu);
      const [pinned] = hashes.keys();
      await gpu.execute({ type: "pinObject", object: pinned });
      await gpu.execute({ type: "suspend", state: "S3" });
      failpoints.arm(name, ERROR_ONCE);
      const resumed = await gpu.execute({ type: "resume" });
      expect(resumed).toMatchObject({ state: "SUCCEEDED", wedged: true });
      expect(resumed.phases.find((each) => each.phase === "restore_late")).toMatchObject({
        blitterBytes: 0,
        objects: 1,
      });
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", wedged: true });
      await expectBytes(gpu, hashes);
      await gpu.execute({ type: "resetDevice", scope: "GT" });
      expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
      await gpu.execute({ type: "suspend", state: "S3" });
      await gpu.execute({ type: "resume" });
      await expectBytes(gpu, hashes);
    },
  );
});

describe("a GT that does not start, with memcpy_restore,", () => {
  test("and with what the CPU cannot reach leaves the device FAILED; the next resume starts it again", async () => {
    const { gpu, failpoints } = await boot(
      { gtResumeFailure: "memcpy_restore" },
      { lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 4 * MIB }] },
    );
    const hashes = new Map<string, string>();
    for (let seed = 1; seed < 6; seed++) {
      const bytes = patternOf(seed, 2 * MIB);
      const id = await gpu.upload(bytes, { regions: ["lmem0"] });
      hashes.set(id, hashOf(bytes));
    }
    for (const object of hashes.keys()) await gpu.execute({ type: "pinObject", object });
    await gpu.execute({ type: "suspend", state: "S3" });
    failpoints.arm("engine.start", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    for (const object of hashes.keys()) await gpu.execute({ type: "unpinObject", object });
    await expectBytes(gpu, hashes);
  });

  test("does not keep a device that was wedged before its suspend from being well after it", async () => {
    const { gpu } = await boot({ gtResumeFailure: "memcpy_restore" });
    const hashes = await fill(gpu);
    await gpu.clock.run(gpu.device.gt.setWedged("a test said so"));
    await gpu.execute({ type: "suspend", state: "S3" });
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    await expectBytes(gpu, hashes);
  });
});

describe("S2idle", () => {
  test.each([
    [true, "D3HOT"],
    [false, "D3COLD"],
  ] as const)(
    "with s2idleKeepsLmem %s is %s, and every byte is there after it",
    async (s2idleKeepsLmem, dState) => {
      const { gpu } = await boot({ s2idleKeepsLmem });
      const hashes = await fill(gpu);
      const [pinned] = hashes.keys();
      await gpu.execute({ type: "pinObject", object: pinned });
      expect(await gpu.execute({ type: "suspend", state: "S2IDLE" })).toMatchObject({ dState });
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
      await gpu.execute({ type: "resume" });
      await expectBytes(gpu, hashes);
    },
  );
});

describe("swap during a suspend", () => {
  test("is allowed in the states that the policy names", async () => {
    const options = (): Partial<DeviceOptions> => ({
      smem: { sizeBytes: 8 * MIB },
      swap: new MemoryStore(32 * MIB),
    });
    const never = await boot({ swapAllowed: [] }, options());
    await fill(never.gpu);
    expect(await reasonOf(never.gpu.execute({ type: "suspend", state: "S3" }))).toBe(
      "SYSTEM_MEMORY_EXHAUSTED",
    );
    const { gpu } = await boot({ swapAllowed: ["S3"] }, options());
    const hashes = await fill(gpu);
    expect((await gpu.execute({ type: "planSuspend" })).feasible).toBe(true);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    await expectBytes(gpu, hashes);
  });
});

function boot(policy: Partial<PowerPolicy>, options: Partial<DeviceOptions> = {}): Promise<FaultyDevice> {
  return bootFaulty({ ...options, policy: { ...DEFAULT_POLICY, ...policy } });
}

/** Eight objects of 1 MiB in local memory, and four that fill half of 8 MiB of system memory. */
async function fill(gpu: VirtualDevice): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (let seed = 0; seed < 12; seed++) {
    const bytes = patternOf(seed, MIB);
    const regions = seed < 8 ? ["lmem0", "smem"] : ["smem"];
    hashes.set(await gpu.upload(bytes, { regions }), hashOf(bytes));
  }
  return hashes;
}

async function expectBytes(gpu: VirtualDevice, hashes: ReadonlyMap<string, string>): Promise<void> {
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id))).toBe(hash);
}

async function smemUsed(gpu: VirtualDevice): Promise<number> {
  return (await gpu.execute({ type: "getRegion", region: "smem" })).usedBytes;
}

/** Work that uses `object` for a while. */
async function spinOn(gpu: VirtualDevice, object: string, durationMs: number): Promise<void> {
  const context = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "NORMAL" });
  await gpu.execute({
    type: "submitWork",
    context: context.id,
    commands: [
      { op: "storeDword", object, offsetBytes: 0, value: 1 },
      { op: "spin", durationMs },
    ],
    waitFences: [],
  });
  await gpu.clock.advance(10);
}
