/**
 * The crash matrix: a real daemon is killed with SIGKILL at every step of a hibernation and of the way back, and at
 * moments that nobody chose. The next daemon on the same files finds no image or a good one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FailpointName } from "../../../src/device/mod.ts";
import { type Caller, CrashRig, callerOf, killed, Lanes } from "../../support/crash-rig.ts";
import type { DaemonProcess } from "../../support/daemon-process.ts";
import { enrich, enrichMore, expectNew, expectRich, type RichState } from "../../support/rich-device.ts";
import { seededRandom } from "../../support/test-device.ts";

const DEVICE = "devices/card0";
const KILLED = { code: null, signal: "SIGKILL" };
/** Two daemons run at a time, and each test waits for its turn. */
const TIMEOUT_MS = 180_000;

/** Where a suspend is killed, after how many passes, and whether its image is sealed then. */
const SUSPENDING: readonly (readonly [FailpointName, number, boolean])[] = [
  ["evict.object", 0, false],
  ["memcpy.object", 1, false],
  ["image.write", 3, false],
  ["image.fsync", 0, false],
  ["image.seal", 0, false],
  ["image.seal.answer", 0, true],
  ["image.sealed", 0, true],
  ["powerOff.before", 0, true],
  ["powerOff.after", 0, true],
];
/** The same of a hybrid sleep, which keeps system memory and seals an image all the same: for a process that dies asleep. */
const HYBRID: readonly (readonly [FailpointName, number, boolean])[] = [
  ["image.seal", 0, false],
  ["image.sealed", 0, true],
];
/** Where a resume is killed, after how many passes, and whether the image is still to be resumed from then. */
const RESUMING: readonly (readonly [FailpointName, number, boolean])[] = [
  ["image.claim", 0, true],
  ["image.claim.answer", 0, true],
  ["image.read", 10, true],
  ["powerOn.before", 0, true],
  ["restoreEarly.object", 0, true],
  ["restoreLate.object", 1, true],
  ["image.consume", 0, true],
  ["image.commit.answer", 0, false],
  ["image.consumed", 0, false],
];
/** So slow a resume that a kill from outside can come at any of its steps. */
const SLOWLY =
  "image.read=delay(10ms);restoreLate.object=delay(30ms);image.consume=delay(100ms);image.consumed=delay(200ms)";
/** Share of the time that a suspend takes, or a resume, after which it is killed. */
const random = seededRandom(20_261_122);
const SHARES = [0, 1, 2].map((third) => Math.round((100 / 3) * (third + random())) / 100);

const lanes = new Lanes();
const compiled = mkdtempSync(join(tmpdir(), "torpor-compiled-"));
/** A directory with a sealed image, and what was in the device. */
let sealed: { readonly rig: CrashRig; readonly state: RichState };
let suspendMs = 0;
let slowResumeMs = 0;

beforeAll(async () => {
  const rig = new CrashRig(compiled);
  const first = rig.start();
  const call = await callerOf(first);
  const state = await enrich(call);
  expect([...state.objects.values()].map((object) => object.state)).toContain("SWAPPED");
  const startedMs = performance.now();
  await suspend(call);
  suspendMs = performance.now() - startedMs;
  // This one ends by itself, and so leaves its compiled modules to the others.
  first.kill("SIGTERM");
  expect(await first.exit()).toEqual({ code: 0, signal: null });
  sealed = { rig, state };
  await using copy = new CrashRig(compiled, rig);
  const next = copy.start(SLOWLY);
  await next.line("resuming from its hibernation image");
  const beganMs = performance.now();
  const back = await resumed(next);
  slowResumeMs = performance.now() - beganMs;
  await expectRich(back, state);
});
afterAll(async () => {
  await sealed.rig[Symbol.asyncDispose]();
  rmSync(compiled, { recursive: true });
});

describe.concurrent("a daemon that is killed while it hibernates,", { timeout: TIMEOUT_MS }, () => {
  it.each(SUSPENDING)("at %s after %i passes, leaves a sealed image: %s", (name, after, isSealed) =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled);
      const { daemon, call, state } = await livelyDaemon(rig);
      await call("ArmFailpoint", { name: `failpoints/${name}`, action: "CRASH", after });
      await expect(suspend(call)).rejects.toThrow();
      expect(await daemon.exit()).toEqual(KILLED);
      expect(rig.images().sealed).toBe(isSealed ? 1 : 0);
      await expectComeback(rig, isSealed ? state : undefined);
    }),
  );

  it.each(HYBRID)(
    "at %s after %i passes of a hybrid sleep, leaves a sealed image: %s",
    (name, after, isSealed) =>
      lanes.run(async () => {
        await using rig = new CrashRig(compiled);
        const { daemon, call, state } = await livelyDaemon(rig);
        await call("ArmFailpoint", { name: `failpoints/${name}`, action: "CRASH", after });
        await expect(sleepHybrid(call)).rejects.toThrow();
        expect(await daemon.exit()).toEqual(KILLED);
        expect(rig.images().sealed).toBe(isSealed ? 1 : 0);
        await expectComeback(rig, isSealed ? state : undefined);
      }),
  );

  it("asleep in a hybrid sleep, comes back from its image", () =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled);
      const { daemon, call, state } = await livelyDaemon(rig);
      expect(await sleepHybrid(call)).toMatchObject({ state: "SUCCEEDED" });
      await killed(daemon);
      expect(rig.images().sealed).toBe(1);
      await expectComeback(rig, state);
    }));

  it.each(SHARES)("after %f of the time that it takes, leaves no image or a good one", (share) =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled);
      const { daemon, call, state } = await livelyDaemon(rig);
      const running = suspend(call).catch(() => {});
      await pause(share * suspendMs);
      await killed(daemon);
      await running;
      await expectComeback(rig, rig.images().sealed > 0 ? state : undefined);
    }),
  );
});

describe.concurrent("a daemon that is killed while it comes back,", { timeout: TIMEOUT_MS }, () => {
  it.each(RESUMING)("at %s after %i passes, leaves the image to the next: %s", (name, after, isSealed) =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled, sealed.rig);
      const daemon = rig.start(`${name}=crash@${after}`);
      expect(await daemon.exit()).toEqual(KILLED);
      expect(rig.images().sealed).toBe(isSealed ? 1 : 0);
      await expectComeback(rig, isSealed ? sealed.state : undefined);
    }),
  );

  it.each<[FailpointName, boolean]>([
    ["restoreLate.object", true],
    ["image.consumed", false],
  ])("at %s out of a hybrid sleep, leaves the image to the next: %s", (name, isSealed) =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled);
      const { daemon, call, state } = await livelyDaemon(rig);
      expect(await sleepHybrid(call)).toMatchObject({ state: "SUCCEEDED" });
      await call("ArmFailpoint", { name: `failpoints/${name}`, action: "CRASH" });
      await expect(call("Resume", { name: DEVICE })).rejects.toThrow();
      expect(await daemon.exit()).toEqual(KILLED);
      expect(rig.images().sealed).toBe(isSealed ? 1 : 0);
      await expectComeback(rig, isSealed ? state : undefined);
    }),
  );

  it.each(SHARES)("after %f of the time that it takes, leaves the image or has consumed it", (share) =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled, sealed.rig);
      const daemon = rig.start(SLOWLY);
      await daemon.line("resuming from its hibernation image");
      await pause(share * slowResumeMs);
      await killed(daemon);
      await expectComeback(rig, rig.images().sealed > 0 ? sealed.state : undefined);
    }),
  );
});

describe.concurrent("a daemon that is killed while it restores a snapshot,", { timeout: TIMEOUT_MS }, () => {
  it.each([0, 2])("after %i objects, leaves a new device", (after) =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled);
      const { daemon, call } = await livelyDaemon(rig);
      await call("SnapshotDevice", { name: DEVICE, snapshotId: "s" });
      await call("ArmFailpoint", { name: "failpoints/snapshotRestore.object", action: "CRASH", after });
      await expect(call("RestoreDevice", { name: DEVICE, snapshot: "s" })).rejects.toThrow();
      expect(await daemon.exit()).toEqual(KILLED);
      await expectComeback(rig, undefined);
    }),
  );

  it("and one that hibernates what it restored brings it back in the next", () =>
    lanes.run(async () => {
      await using rig = new CrashRig(compiled);
      const daemon = rig.start();
      const call = await callerOf(daemon);
      const state = await enrich(call);
      await call("SnapshotDevice", { name: DEVICE, snapshotId: "s" });
      await enrichMore(call, state);
      await call("RestoreDevice", { name: DEVICE, snapshot: "s" });
      await suspend(call);
      await killed(daemon);
      await expectComeback(rig, state);
    }));
});

it("what was consumed does not come back, however often daemons are killed", { timeout: TIMEOUT_MS }, () =>
  lanes.run(async () => {
    await using rig = new CrashRig(compiled, sealed.rig);
    const first = rig.start();
    await expectRich(await resumed(first), sealed.state);
    await killed(first);
    for (let death = 0; death < 2; death++) {
      const next = rig.start();
      await expectNew(await resumed(next));
      await killed(next);
    }
  }),
);

/** A daemon that has been hibernated before, with something newer than that image. */
async function livelyDaemon(
  rig: CrashRig,
): Promise<{ readonly daemon: DaemonProcess; readonly call: Caller; readonly state: RichState }> {
  const daemon = rig.start();
  const call = await callerOf(daemon);
  const before = await enrich(call);
  await suspend(call);
  await call("Resume", { name: DEVICE });
  expect(rig.images()).toEqual({ partial: 0, sealed: 0, consumed: 1 });
  return { daemon, call, state: await enrichMore(call, before) };
}

/** The next daemon finds all of `state`, or nothing at all; no lock keeps it out, and it can hibernate. */
async function expectComeback(rig: CrashRig, state: RichState | undefined): Promise<void> {
  const daemon = rig.start();
  const call = await resumed(daemon);
  expect(rig.images()).toMatchObject({ partial: 0, sealed: 0 });
  if (state === undefined) await expectNew(call);
  else await expectRich(call, state);
  const next = state ?? (await enrich(call));
  expect(await suspend(call)).toMatchObject({ state: "SUCCEEDED" });
  expect(rig.images()).toEqual({ partial: 0, sealed: 1, consumed: 1 });
  await call("Resume", { name: DEVICE, verify: true });
  expect(rig.images()).toEqual({ partial: 0, sealed: 0, consumed: 1 });
  await expectRich(call, next);
  await killed(daemon);
}

/** Calls of a daemon whose devices have come back. */
async function resumed(daemon: DaemonProcess): Promise<Caller> {
  const call = await callerOf(daemon);
  expect((await fetch(`${call.url}/readyz`)).status).toBe(200);
  return call;
}

function sleepHybrid(call: Caller): Promise<unknown> {
  return call("Suspend", { name: DEVICE, state: "S3", hybrid: true, verify: true });
}

function suspend(call: Caller): Promise<unknown> {
  return call("Suspend", { name: DEVICE, state: "S4", verify: true });
}
