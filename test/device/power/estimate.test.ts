/** How long a plan says that a suspend takes, held to what the suspend then takes. */
import { describe, expect, test } from "vitest";
import { MemoryBank } from "../../../src/device/hardware/bank.ts";
import { estimate } from "../../../src/device/power/estimate.ts";
import { RateLog } from "../../../src/device/power/rate-log.ts";
import type { PhaseName, PhaseRecord } from "../../../src/device/resource.ts";
import {
  ANY_OBJECT,
  bootThreaded,
  bootVirtual,
  KIB,
  MIB,
  patternOf,
  seededRandom,
  type VirtualDevice,
} from "../../support/test-device.ts";
import { newContext, submit } from "../../support/work.ts";

describe("the time of a plan", () => {
  test.each([1, 2, 3, 4, 5, 6])("holds what the suspend takes, cycle after cycle (seed %i)", async (seed) => {
    const random = seededRandom(seed);
    const gpu = await bootVirtual({ lmem: [{ sizeBytes: 64 * MIB }], smem: { sizeBytes: 256 * MIB } });
    for (let cycle = 0; cycle < 8; cycle++) {
      await addObjects(gpu, random);
      const verify = random() < 0.5;
      const plan = await gpu.execute({ type: "planSuspend", state: "S3", verify });
      const { startTimeNs, endTimeNs = 0n } = await gpu.execute({ type: "suspend", state: "S3", verify });
      const tookNs = endTimeNs - startTimeNs;
      expect(plan.unmeasured, "virtual time charges what the model says").toEqual([]);
      // The model charges nothing for the latency of jobs.
      expect(tookNs).toBeGreaterThanOrEqual((plan.durationMinNs * 9n) / 10n);
      expect(tookNs).toBeLessThanOrEqual((plan.durationMaxNs * 11n) / 10n + 1_000_000n);
      await gpu.execute({ type: "resume" });
    }
  });

  test("is told as a guess until a suspend has measured each kind of work", async () => {
    const gpu = await bootThreaded();
    await gpu.upload(patternOf(1, MIB));
    await gpu.execute({ type: "pinObject", object: await gpu.upload(patternOf(2, MIB)) });
    const before = await gpu.execute({ type: "planSuspend", state: "S3", verify: true });
    expect(before.unmeasured).toEqual(["verify", "blitter", "memcpy"]);
    expect(before.durationMinNs).toBeLessThan(before.durationMaxNs);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    // What was evicted stays in system memory.
    await gpu.upload(patternOf(3, MIB));
    const after = await gpu.execute({ type: "planSuspend", state: "S3", verify: true });
    expect(after.unmeasured).toEqual(["verify"]);
    expect(after.durationMinNs).toBeGreaterThan(0n);
    await gpu.device.close();
  });

  test("knows the brakes before anything was measured", async () => {
    const gpu = await bootThreaded({ rateLimits: { blitter: 4 * MIB } });
    await gpu.upload(patternOf(1, 2 * MIB));
    const { evict, durationMinNs } = await gpu.execute({ type: "planSuspend" });
    const engines = (await gpu.execute({ type: "listEngines" })).length;
    expect(durationMinNs).toBeGreaterThanOrEqual(
      BigInt(Math.floor((evict.bytes * 1e9) / (4 * MIB * engines))),
    );
    await gpu.device.close();
  });

  test("counts the wait for work that runs", async () => {
    const gpu = await bootVirtual();
    await gpu.upload(patternOf(1, MIB));
    const idle = await gpu.execute({ type: "planSuspend", idleTimeoutMs: 700 });
    await submit(gpu, await newContext(gpu, "bcs0"), { op: "spin", durationMs: 50_000 });
    const busy = await gpu.execute({ type: "planSuspend", idleTimeoutMs: 700 });
    expect(busy.durationMaxNs - idle.durationMaxNs).toBe(700_000_000n);
    expect(busy.durationMinNs).toBe(idle.durationMinNs);
  });
});

describe("an estimate", () => {
  const bank = () => new MemoryBank(0, MIB);
  const pace = (log: RateLog) => ({ log, rates: undefined, limits: {}, blitterEngines: 1 });
  const learned = (samples: readonly [objects: number, bytes: number, durationNs: number][]) => {
    const log = new RateLog(bank());
    for (const [objects, bytes, durationNs] of samples)
      log.begin()([phase("evict", { objects, bytes, durationNs })], undefined);
    return log;
  };
  const blitter = (objects: number, bytes: number, newBytes = 0) => ({
    blitter: { objects, bytes, newBytes },
  });

  test("lies between a cost for each object and a cost for each byte", () => {
    const log = learned([[10, 1000, 1e6]]);
    const { minNs, maxNs } = estimate(blitter(20, 3000), pace(log), 0);
    expect([minNs, maxNs]).toEqual([1_800_000n, 3_300_000n]);
  });

  test("takes the suspends that resemble it, and forgets the oldest", () => {
    const log = learned([
      [1000, 1000, 9e9],
      [10, 1000, 1e6],
    ]);
    expect(estimate(blitter(10, 1000), pace(log), 0)).toEqual({
      minNs: 900_000n,
      maxNs: 1_100_000n,
      unmeasured: [],
    });
    for (let again = 0; again < 8; again++)
      log.begin()([phase("evict", { objects: 10, bytes: 1000, durationNs: 4e6 })], undefined);
    expect(estimate(blitter(10, 1000), pace(log), 0).minNs).toBe(3_600_000n);
  });

  test("expects memory that is touched for the first time to cost up to two copies more", () => {
    const log = learned([[10, 1000, 1e6]]);
    expect(estimate(blitter(10, 1000, 1000), pace(log), 0).maxNs).toBe(3_300_000n);
  });

  test("guesses what it has not measured, and says so", () => {
    const guess = estimate(blitter(1, 200e6), pace(new RateLog(bank())), 0);
    expect(guess).toEqual({ minNs: 10_000_000n, maxNs: 1_000_000_000n, unmeasured: ["blitter"] });
  });
});

function phase(name: PhaseName, what: { objects: number; bytes: number; durationNs: number }): PhaseRecord {
  const { objects, bytes, durationNs } = what;
  return {
    phase: name,
    startTimeNs: 0n,
    durationNs: BigInt(durationNs),
    objects,
    bytes,
    blitterBytes: bytes,
    memcpyBytes: 0,
    skippedVolatile: 0,
  };
}

async function addObjects(gpu: VirtualDevice, random: () => number): Promise<void> {
  const count = 1 + Math.floor(random() * 12);
  const sizeBytes = (1 + Math.floor(random() * 16)) * 64 * KIB;
  for (let at = 0; at < count; at++) {
    const object = await gpu.upload(patternOf(at, sizeBytes), { ...ANY_OBJECT, regions: ["lmem0", "smem"] });
    if (random() < 0.3) await gpu.execute({ type: "pinObject", object });
  }
}
