/** Failpoints: what each does to a suspend or a resume, and that nothing is lost by it. */
import { describe, expect, test } from "vitest";
import { type FailpointName, failpointNames } from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { hashOf, MIB, patternOf, reasonOf, type VirtualDevice } from "../../support/test-device.ts";

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
      failpoints.arm(name, { ...ERROR_ONCE, after });
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
    ["restore.populate", "FAILED", 0],
    ["restore.populate", "FAILED", 1],
    ["restore.populate", "FAILED", 4],
    ["engine.start", "FAILED", 0],
    ["restoreLate.object", "FAILED", 0],
    ["restoreLate.object", "FAILED", 1],
    ["restoreLate.object", "FAILED", 2],
  ])("%s leaves the resume to be done again: %s, nothing lost (after %i)", async (name, state, after) => {
    const { gpu, failpoints, hashes } = await boot();
    await gpu.execute({ type: "suspend", state: "S3", verify: true });
    failpoints.arm(name, { ...ERROR_ONCE, after });
    expect(await reasonOf(gpu.execute({ type: "resume" }))).not.toBe("none");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe(state);
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
    await expectWhole(gpu, hashes);
  });

  test("recover.object leaves an ACTIVE device whose backups the next resume cannot mistake for new ones", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("firmware.stop", ERROR_ONCE);
    failpoints.arm("recover.object", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    await expectWhole(gpu, hashes);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    await expectWhole(gpu, hashes);
  });

  test("copy.blit is made good by the CPU, and counted", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("copy.blit", { ...ERROR_ONCE, count: 0 });
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    failpoints.reset();
    expect(gpu.events.some((event) => event.type === "blitterFallback")).toBe(true);
    await expectWhole(gpu, hashes);
  });

  test("blitter.hang wedges the GT in the middle of a blit, and the CPU copies", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("blitter.hang", ERROR_ONCE);
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    expect(suspended).toMatchObject({ state: "SUCCEEDED", wedged: true });
    expect(suspended.phases.every((phase) => phase.blitterBytes === 0)).toBe(true);
    failpoints.arm("blitter.hang", ERROR_ONCE);
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: true });
    await expectWhole(gpu, hashes);
    await gpu.execute({ type: "resetDevice", scope: "GT" });
    const again = await gpu.execute({ type: "suspend", state: "S3" });
    expect(again).toMatchObject({ state: "SUCCEEDED", wedged: false });
  });

  test("migrate.pageTable stays broken across the suspend, which saves the garbage, until the GT is reset", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("migrate.pageTable", ERROR_ONCE);
    expect(await gpu.execute({ type: "suspend", state: "S3" })).toMatchObject({ wedged: true });
    // The resume clears wedged and starts engines that read the garbage that was restored.
    const resumed = await gpu.execute({ type: "resume" });
    expect(resumed).toMatchObject({ state: "SUCCEEDED", wedged: true });
    const faults = gpu.events.filter((event) => event.type === "wedged" && event.why.includes("PAGE_FAULT"));
    expect(faults).toHaveLength(2);
    await expectWhole(gpu, hashes);
    expect(await gpu.execute({ type: "resetDevice", scope: "GT" })).toMatchObject({ wedged: false });
    const again = await gpu.execute({ type: "suspend", state: "S3" });
    expect(again).toMatchObject({ state: "SUCCEEDED", wedged: false });
    expect(again.phases.find((phase) => phase.phase === "evict_pinned")?.memcpyBytes).toBe(0);
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ wedged: false });
    await expectWhole(gpu, hashes);
  });

  test("migrate.pageTable where the CPU cannot reach costs a resume that fails; the next one finds it written anew", async () => {
    const { gpu, failpoints } = await bootFaulty({ lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 4 * MIB }] });
    const bytes = patternOf(1, 8 * MIB);
    const pinned = await gpu.upload(bytes, { regions: ["lmem0", "smem"] });
    await gpu.execute({ type: "pinObject", object: pinned, region: "lmem0" });
    await gpu.execute({ type: "suspend", state: "S3" });
    failpoints.arm("migrate.pageTable", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    await gpu.execute({ type: "unpinObject", object: pinned });
    expect(hashOf(await gpu.download(pinned))).toBe(hashOf(bytes));
  });

  test.each<[FailpointName, string]>([
    ["copy.corrupt", "4"],
    ["copy.short", "8"],
  ])(
    "%s is seen by nobody but a verification, which names the object and gives it up",
    async (name, object) => {
      const { gpu, failpoints, hashes } = await boot();
      failpoints.arm(name, ERROR_ONCE);
      await gpu.execute({ type: "suspend", state: "S3", verify: true });
      const mismatch = await gpu.execute({ type: "resume" }).catch((error: unknown) => error);
      expect(mismatch).toMatchObject({
        reason: "CHECKSUM_MISMATCH",
        metadata: { objects: object, count: "1" },
      });
      expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED" });
      expect(await reasonOf(gpu.download(object))).toBe("CONTENT_UNKNOWN");
      hashes.delete(object);
      await expectWhole(gpu, hashes);

      const [other] = [...hashes.keys()].slice(-1);
      await gpu.execute({ type: "moveObject", object: other, region: "lmem0" });
      failpoints.arm(name, ERROR_ONCE);
      expect(await gpu.execute({ type: "suspend", state: "S3" })).toMatchObject({ state: "SUCCEEDED" });
      expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED" });
      expect(hashOf(await gpu.download(other))).not.toBe(hashes.get(other));
    },
  );

  test("a FAILED device whose page table is broken is mended by a reset of the GT, and its resume goes on", async () => {
    const { gpu, failpoints } = await bootFaulty({ lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 4 * MIB }] });
    const bytes = patternOf(1, MIB);
    // The CPU cannot reach it: without a blitter nobody brings it back.
    const object = await gpu.upload(bytes, { flags: ["GPU_ONLY"] });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    await gpu.execute({ type: "pinObject", object });
    await gpu.execute({ type: "suspend", state: "S3" });
    failpoints.arm("migrate.pageTable", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "resetDevice", scope: "GT" })).powerState).toBe("FAILED");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", restoredObjects: 1 });
    await gpu.execute({ type: "unpinObject", object });
    expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
    gpu.device.checkInvariants();
  });

  test("idle.timeout wedges an idle device, or aborts, as asked", async () => {
    const { gpu, failpoints, hashes } = await boot();
    failpoints.arm("idle.timeout", { ...ERROR_ONCE, count: 2 });
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
    failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", delayMs: 1000 });
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
    failpoints.arm("evict.before", { ...ERROR_ONCE, action: "DELAY", delayMs: 5000 });
    const before = gpu.clock.monotonicNs();
    await gpu.execute({ type: "suspend", state: "S3" });
    expect(Number(gpu.clock.monotonicNs() - before) / 1e6).toBeGreaterThan(5000);
    await gpu.execute({ type: "resume" });

    failpoints.arm("evict.before", { ...ERROR_ONCE, action: "HANG" });
    const running = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    await gpu.clock.advance(10_000);
    expect((await gpu.execute({ type: "getTransition", transition: running.id })).state).toBe("RUNNING");
    failpoints.disarm("evict.before");
    await gpu.clock.advance(1000);
    expect((await gpu.execute({ type: "getTransition", transition: running.id })).state).toBe("SUCCEEDED");
    await gpu.execute({ type: "resume" });

    failpoints.arm("evict.before", { ...ERROR_ONCE, action: "HANG" });
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
  });

  test("at backup.free only makes it wait: after a restore, and after a recover", async () => {
    const { gpu, failpoints, hashes } = await boot();
    for (const failure of [false, true]) {
      failpoints.arm("backup.free", { ...ERROR_ONCE, action: "DELAY", delayMs: 1000, count: 0 });
      if (failure) failpoints.arm("powerOff.before", ERROR_ONCE);
      await reasonOf(gpu.execute({ type: "suspend", state: "S3" }));
      const before = gpu.clock.monotonicNs();
      if (!failure) await gpu.execute({ type: "resume" });
      else expect(failpoints.get("powerOff.before").hits).toBe(1);
      if (!failure) expect(gpu.clock.monotonicNs() - before).toBeGreaterThan(3_000_000_000n);
      expect(failpoints.get("backup.free").hits).toBe(5);
      failpoints.reset();
      await expectWhole(gpu, hashes);
    }
  });

  test("crashes the process where it is told to", async () => {
    let crashed = 0;
    const { gpu, failpoints } = await boot(() => {
      crashed++;
    });
    failpoints.arm("powerOff.before", { ...ERROR_ONCE, action: "CRASH" });
    await gpu.execute({ type: "suspend", state: "S3" }).catch(() => {});
    expect(crashed).toBe(1);
  });

  test("fires by probability from its seed, the same every time, only on its device, and counts", async () => {
    const { gpu, failpoints } = await boot();
    const other = failpoints.forDevice("card1");
    failpoints.arm("evict.before", { ...ERROR_ONCE, device: "card1", probability: 0.5, count: 0, seed: 7 });
    const outcomes = async (): Promise<string[]> => {
      const seen: string[] = [];
      for (let pass = 0; pass < 20; pass++) seen.push(await reasonOf(other.pass("evict.before")));
      return seen;
    };
    const first = await outcomes();
    expect(new Set(first)).toEqual(new Set(["none", "COPY_FAILED"]));
    failpoints.arm("evict.before", { ...ERROR_ONCE, device: "card1", probability: 0.5, count: 0, seed: 7 });
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
    expect(() => failpoints.arm("evict.before", { ...ERROR_ONCE, ...change })).toThrow(/cannot be armed so/);
    expect(failpoints.list()).toHaveLength(failpointNames().length);
  });

  test("cannot make fail what can no longer fail", async () => {
    const { failpoints } = await boot();
    for (const action of ["ERROR", "HANG"] as const) {
      for (const name of ["powerOff.after", "backup.free", "image.consumed"] as const) {
        expect(() => failpoints.arm(name, { ...ERROR_ONCE, action })).toThrow(
          /nothing can fail there any more/,
        );
      }
    }
    for (const name of ["idle.timeout", "copy.blit", "blitter.hang", "verify.mismatch"] as const) {
      expect(() => failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY" })).toThrow(/takes ERROR only/);
    }
  });
});

async function boot(onDeath?: () => void): Promise<FaultyDevice & { readonly hashes: Map<string, string> }> {
  const { gpu, failpoints } = await bootFaulty({}, onDeath);
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
