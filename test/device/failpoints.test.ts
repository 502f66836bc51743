/** Failpoints: what each does to a suspend or a resume, and that nothing is lost by it. */
import { describe, expect, test } from "vitest";
import {
  type FailpointArming,
  type FailpointName,
  Failpoints,
  failpointNames,
} from "../../src/device/mod.ts";
import { bootVirtual, hashOf, MIB, patternOf, reasonOf, type VirtualDevice } from "../support/test-device.ts";

const ERROR: FailpointArming = {
  action: "ERROR",
  device: "",
  reason: "COPY_FAILED",
  delayMs: 0,
  probability: 1,
  count: 1,
  after: 0,
  seed: 1,
};

/** Points at which a suspend can fail, with the number of objects that pass each. */
const SUSPEND: readonly (readonly [FailpointName, number])[] = [
  ["evict.before", 1],
  ["evict.object", 5],
  ["evict.after", 1],
  ["evictPinned.before", 1],
  ["evictPinned.object", 3],
  ["backup.allocate", 5],
  ["memcpy.object", 2],
  ["firmware.stop", 1],
  ["powerOff.before", 1],
];

describe("an error at", () => {
  const cases = SUSPEND.flatMap(([name, passes]) =>
    [...new Set([0, Math.floor(passes / 2), passes - 1])].map((after) => ({ name, after })),
  );
  test.each(cases)(
    "$name after $after passes fails the suspend and recovers every byte; the next one works",
    async ({ name, after }) => {
      const { gpu, failpoints, hashes } = await boot();
      failpoints.arm(name, { ...ERROR, after });
      expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
      expect(failpoints.get(name).hits).toBe(1);
      const transition = await gpu.execute({ type: "getTransition", transition: "1" });
      expect(transition).toMatchObject({ state: "FAILED", recovered: true });
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({
        powerState: "ACTIVE",
        dState: "D0",
        wedged: false,
      });
      await expectWhole(gpu, hashes);
      await gpu.execute({ type: "suspend", state: "S3" });
      await gpu.execute({ type: "resume" });
      await expectWhole(gpu, hashes);
    },
  );

  test.each<[FailpointName, string, number]>([
    ["powerOn.before", "SUSPENDED", 0],
    ["restoreEarly.object", "FAILED", 0],
    ["restoreEarly.object", "FAILED", 1],
    ["firmware.load", "FAILED", 0],
    ["engine.start", "FAILED", 0],
    ["restoreLate.object", "FAILED", 0],
    ["restoreLate.object", "FAILED", 1],
    ["restoreLate.object", "FAILED", 2],
    ["verify.mismatch", "FAILED", 0],
  ])("%s leaves the resume to be done again: %s, nothing lost (after %i)", async (name, state, after) => {
    const { gpu, failpoints, hashes } = await boot();
    await gpu.execute({ type: "suspend", state: "S3", verify: true });
    failpoints.arm(name, { ...ERROR, after });
    expect(await reasonOf(gpu.execute({ type: "resume" }))).not.toBe("none");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe(state);
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
    await expectWhole(gpu, hashes);
  });

  test("recover.object leaves an ACTIVE device whose backups the next resume cannot mistake for new ones", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("firmware.stop", ERROR);
    failpoints.arm("recover.object", ERROR);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    await expectWhole(gpu, hashes);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    await expectWhole(gpu, hashes);
  });

  test("copy.blit is made good by the CPU, and counted", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("copy.blit", { ...ERROR, count: 0 });
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    failpoints.reset();
    expect(gpu.events.some((event) => event.type === "blitterFallback")).toBe(true);
    await expectWhole(gpu, hashes);
  });

  test("idle.timeout wedges an idle device, or aborts, as asked", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("idle.timeout", { ...ERROR, count: 2 });
    const abort = gpu.execute({ type: "suspend", state: "S3", onIdleTimeout: "ABORT" });
    expect(await reasonOf(abort)).toBe("IDLE_TIMEOUT");
    expect(await gpu.execute({ type: "suspend", state: "S3" })).toMatchObject({ wedged: true });
    await gpu.execute({ type: "resume" });
    await expectWhole(gpu, hashes);
  });
});

test("[invariant 14] from step 3 to the start of the engines nobody has the blitter", async () => {
  const { gpu, failpoints } = await boot();
  for (const [type, name] of [
    ["suspend", "memcpy.object"],
    ["resume", "restoreEarly.object"],
  ] as const) {
    failpoints.arm(name, { ...ERROR, action: "DELAY", delayMs: 1000 });
    await gpu.execute(type === "suspend" ? { type, state: "S3", waitMs: 0 } : { type, waitMs: 0 });
    await gpu.clock.advance(500);
    expect(failpoints.get(name).hits, name).toBe(1);
    expect(gpu.device.memory.blitter, name).toBeUndefined();
    await gpu.clock.advance(5000);
  }
  expect(gpu.device.memory.blitter).toBeDefined();
});

describe("a failpoint", () => {
  test("delays, hangs until it is disarmed, and never for ever", async () => {
    const { gpu, failpoints } = await boot();
    failpoints.arm("evict.before", { ...ERROR, action: "DELAY", delayMs: 5000 });
    const before = gpu.clock.monotonicNs();
    await gpu.execute({ type: "suspend", state: "S3" });
    expect(Number(gpu.clock.monotonicNs() - before) / 1e6).toBeGreaterThan(5000);
    await gpu.execute({ type: "resume" });

    failpoints.arm("evict.before", { ...ERROR, action: "HANG" });
    const running = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    await gpu.clock.advance(10_000);
    expect((await gpu.execute({ type: "getTransition", transition: running.id })).state).toBe("RUNNING");
    failpoints.disarm("evict.before");
    await gpu.clock.advance(1000);
    expect((await gpu.execute({ type: "getTransition", transition: running.id })).state).toBe("SUCCEEDED");
    await gpu.execute({ type: "resume" });

    failpoints.arm("evict.before", { ...ERROR, action: "HANG" });
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
  });

  test("crashes the process where it is told to", async () => {
    let crashed = 0;
    const { gpu, failpoints } = await boot(() => {
      crashed++;
      throw new Error("the process is gone");
    });
    failpoints.arm("powerOff.before", { ...ERROR, action: "CRASH" });
    await reasonOf(gpu.execute({ type: "suspend", state: "S3" }));
    expect(crashed).toBe(1);
  });

  test("fires by probability from its seed, the same every time, only on its device, and counts", async () => {
    const { gpu, failpoints } = await boot();
    const other = failpoints.forDevice("card1");
    failpoints.arm("evict.before", { ...ERROR, device: "card1", probability: 0.5, count: 0, seed: 7 });
    const outcomes = async (): Promise<string[]> => {
      const seen: string[] = [];
      for (let pass = 0; pass < 20; pass++) seen.push(await reasonOf(other.pass("evict.before")));
      return seen;
    };
    const first = await outcomes();
    expect(new Set(first)).toEqual(new Set(["none", "COPY_FAILED"]));
    failpoints.arm("evict.before", { ...ERROR, device: "card1", probability: 0.5, count: 0, seed: 7 });
    expect(await outcomes()).toEqual(first);
    expect((await gpu.execute({ type: "suspend", state: "S3" })).state).toBe("SUCCEEDED");
  });

  test.each([
    ["a delay below 0", { delayMs: -1 }],
    ["a probability of 0", { probability: 0 }],
    ["a broken count", { count: 0.5 }],
    ["a negative after", { after: -1 }],
  ])("refuses %s", async (_what, change) => {
    const { failpoints } = await boot();
    expect(() => failpoints.arm("evict.before", { ...ERROR, ...change })).toThrow(/cannot be armed so/);
    expect(failpoints.list()).toHaveLength(failpointNames().length);
  });

  test("cannot make fail what can no longer fail", async () => {
    const { failpoints } = await boot();
    for (const action of ["ERROR", "HANG"] as const) {
      expect(() => failpoints.arm("powerOff.after", { ...ERROR, action })).toThrow(
        /nothing can fail there any more/,
      );
    }
    for (const name of ["idle.timeout", "copy.blit", "firmware.load", "verify.mismatch"] as const) {
      expect(() => failpoints.arm(name, { ...ERROR, action: "DELAY" })).toThrow(/takes ERROR only/);
    }
  });
});

async function boot(
  crash: () => never = () => {
    throw new Error("no test asked for a crash");
  },
): Promise<{ gpu: VirtualDevice; failpoints: Failpoints; hashes: Map<string, string> }> {
  // The registry needs the clock of the device, and the device the registry: it asks for the time only when it fires.
  let gpu: VirtualDevice | undefined;
  const failpoints = new Failpoints({
    clock: {
      wallNs: () => gpu?.clock.wallNs() ?? 0n,
      monotonicNs: () => gpu?.clock.monotonicNs() ?? 0n,
      startTimer: (delayMs, callback) => gpu?.clock.startTimer(delayMs, callback) ?? { cancel: () => {} },
      yield: () => Promise.resolve(),
    },
    crash,
  });
  gpu = await bootVirtual({ failpoints: failpoints.forDevice("card0") });
  const hashes = new Map<string, string>();
  for (let seed = 0; seed < 8; seed++) {
    const bytes = patternOf(seed, MIB);
    const id = await gpu.upload(bytes);
    hashes.set(id, hashOf(bytes));
    if (seed < 3) await gpu.execute({ type: "pinObject", object: id });
  }
  return { gpu, failpoints, hashes };
}

async function expectWhole(gpu: VirtualDevice, hashes: ReadonlyMap<string, string>): Promise<void> {
  gpu.device.checkInvariants();
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id)), `object ${id}`).toBe(hash);
}
