/**
 * The fault matrix: every failpoint of a suspend and of a resume, at the first, the middle and the last thing that passes it,
 * as an error, a delay and a hang, into each sleep state and with runtime PM, on devices under different strains. What must hold after each is
 * the same: nothing is lost, nothing hangs, and the next time it works. Power loss is real throughout.
 */
import { describe, expect, test } from "vitest";
import type { ErrorReason, FailpointAction, FailpointName, PowerState } from "../../../src/device/mod.ts";
import { ASKED_AGAIN, countPasses, LOSES_CARD, SURVIVED, takes } from "../../support/fault-passes.ts";
import { bootCrowded, bootShape, SHAPES, type Shape } from "../../support/fault-shapes.ts";
import {
  backupsOf,
  cancelAfter,
  expectCycle,
  expectRecovered,
  expectResumed,
  expectWhole,
  forgetGivenUp,
  isAsleep,
  SLEEPS,
  type Sleep,
  transit,
} from "../../support/fault-transit.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { seededRandom } from "../../support/test-device.ts";

/** Nobody but a verification sees what they do. */
const UNSEEN: readonly FailpointName[] = ["copy.short", "copy.corrupt"];
/** On a device without objects nothing is blitted. */
const NEEDS_OBJECTS: readonly FailpointName[] = ["migrate.pageTable", "blitter.hang", "copy.blit"];
/** What a storm that may cost no byte leaves out. */
const COSTS_CONTENT: readonly FailpointName[] = [...UNSEEN, "verify.mismatch", "ecc.error"];
/** Nothing fails there any more. */
const CANNOT_FAIL: readonly FailpointName[] = ["powerOff.after", "backup.free", "image.consumed"];
/** Where a resume fails with the power still off. */
const BEFORE_POWER: readonly FailpointName[] = ["image.claim", "image.read", "swap.write", "powerOn.before"];

/** A storm: as many transitions, some of them cancelled, with a fault in every twelfth pass. */
const STORM_STEPS = 24;
const STORM_SEEDS = 10;

const STRAINED = SHAPES.filter((shape) => shape !== "empty");

interface Case {
  readonly name: FailpointName;
  readonly action: FailpointAction;
  readonly after: number;
}

describe.each(SHAPES.flatMap((shape) => SLEEPS.map((state) => ({ shape, state }))))(
  "$shape, $state:",
  async ({ shape, state }) => {
    const passes = await countPasses(shape, state);

    test.each(casesOf(passes.suspend, foundBySuspend(shape, state)))(
      "$action at $name after $after passes of a suspend loses nothing, and the next one works",
      async (fault) => {
        const device = await bootShape(shape);
        device.failpoints.arm(fault.name, armingOf(fault));
        const suspended = await transit(device, "suspend", state);
        expect(device.failpoints.get(fault.name).hits).toBe(1);
        if (!mustFail(fault, state)) {
          expect(suspended.state).toBe("SUCCEEDED");
          await expectResumed(device, state);
          return;
        }
        expect(suspended).toMatchObject({
          state: "FAILED",
          recovered: true,
          error: { reason: reasonFor(fault) },
        });
        await expectRecovered(device);
        await expectCycle(device, state);
      },
    );

    test.each(casesOf(passes.recover, []))(
      "$action at $name after $after passes of a recover loses nothing, and the next suspend works",
      async (fault) => {
        const device = await bootShape(shape);
        device.failpoints.arm("powerOff.before", ERROR_ONCE);
        device.failpoints.arm(fault.name, armingOf(fault));
        // With a sealed image that cannot be consumed the device must not go on; backups are dropped come what may.
        const stuck = mustFail(fault, state) && fault.name === "image.consume";
        expect(await transit(device, "suspend", state)).toMatchObject({ state: "FAILED", recovered: !stuck });
        expect(device.failpoints.get(fault.name).hits).toBe(1);
        if (stuck) {
          expect((await device.gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
          await expectResumed(device, state);
        } else await expectRecovered(device);
        await expectCycle(device, state);
      },
    );

    test.each(casesOf(passes.resume, foundByResume(shape, state)))(
      "$action at $name after $after passes of a resume loses nothing, and it can be done again",
      async (fault) => {
        const device = await bootShape(shape);
        expect(await transit(device, "suspend", state)).toMatchObject({ state: "SUCCEEDED", wedged: false });
        device.failpoints.arm(fault.name, armingOf(fault));
        const resumed = await transit(device, "resume", state);
        // With nothing to restore late, nothing is blitted.
        const late = passes.resume.get("restoreLate.object") ?? 0;
        const met = late > 0 || !SURVIVED.includes(fault.name);
        expect(device.failpoints.get(fault.name).hits).toBe(met ? 1 : 0);
        if (mustFail(fault, state)) {
          // Without its image a resume does not begin: the last transition is the suspend.
          if (fault.name === "image.claim") expect(resumed.kind).toBe("SUSPEND");
          else expect(resumed).toMatchObject({ kind: expect.stringContaining("RESUME"), state: "FAILED" });
          const { powerState } = await device.gpu.execute({ type: "getDevice" });
          expect(powerState).toBe(BEFORE_POWER.includes(fault.name) ? asleep(state) : "FAILED");
          expect(await backupsOf(device)).toBe(keptOf(fault, passes.resume));
        }
        if (fault.name === "verify.mismatch") expect(await forgetGivenUp(device, resumed)).toBe(1);
        await expectResumed(device, state);
        await device.gpu.execute({ type: "resetDevice", scope: "GT" });
        await expectCycle(device, state);
      },
    );
  },
);

/** Of a device that suspended itself nobody took checksums: there it would stay unseen. */
describe.each([{ state: "S2IDLE" }, { state: "S3" }, { state: "S4" }] as const)(
  "what a blit got wrong and nobody saw, $state:",
  ({ state }) => {
    const cases = STRAINED.flatMap((shape) => UNSEEN.map((name) => ({ shape, name })));
    test.each(
      cases.flatMap((each) => [
        { ...each, direction: "suspend" },
        { ...each, direction: "resume" },
      ]),
    )(
      "$name in a $direction, $shape, is found by the verification and given up; the rest is right",
      async (fault) => {
        const device = await bootShape(fault.shape);
        if (fault.direction === "suspend") device.failpoints.arm(fault.name, ERROR_ONCE);
        expect(await transit(device, "suspend", state)).toMatchObject({ state: "SUCCEEDED" });
        if (fault.direction === "resume") device.failpoints.arm(fault.name, ERROR_ONCE);
        const resumed = await transit(device, "resume", state);
        expect(device.failpoints.get(fault.name).hits).toBe(1);
        expect(await forgetGivenUp(device, resumed)).toBe(1);
        await expectResumed(device, state);
        await expectCycle(device, state);
      },
    );
  },
);

describe("with several batches of a walk in flight,", () => {
  test.each<[FailpointName, number]>([
    ["evict.object", 1_100],
    ["evictPinned.object", 1_300],
    ["backup.allocate", 1_100],
    ["restore.populate", 1_300],
    ["restoreLate.object", 1_100],
    ["copy.blit", 1],
    ["blitter.hang", 1],
  ])("an error at %s after %i loses nothing, and the next time it works", async (name, after) => {
    const device = await bootCrowded();
    let hits = 0;
    for (const direction of ["suspend", "resume"] as const) {
      device.failpoints.arm(name, { ...ERROR_ONCE, after });
      const { state } = await transit(device, direction, "S3");
      hits += device.failpoints.get(name).hits;
      device.failpoints.reset();
      if (state === "FAILED") await transit(device, direction, "S3");
    }
    expect(hits).toBeGreaterThan(0);
    await expectWhole(device);
    await device.gpu.execute({ type: "resetDevice", scope: "GT" });
    await expectCycle(device, "S3");
  });
});

describe("a storm of faults, from a seed,", () => {
  const seeds = Array.from({ length: STORM_SEEDS }, (_, at) => at + 1);
  test.each(STRAINED.flatMap((shape) => seeds.map((seed) => ({ shape, seed }))))(
    "costs no byte: $shape, seed $seed",
    async ({ shape, seed }) => {
      const device = await bootShape(shape);
      const { gpu, failpoints } = device;
      const random = seededRandom(seed);
      for (const { name } of failpoints.list()) {
        // These cost bytes: what a verification finds is given up.
        if (COSTS_CONTENT.includes(name) || LOSES_CARD.includes(name) || !takes(device, name, "ERROR"))
          continue;
        failpoints.arm(name, {
          ...ERROR_ONCE,
          count: 0,
          probability: 0.08,
          seed: Math.floor(random() * 2 ** 32),
        });
      }
      for (let step = 0; step < STORM_STEPS; step++) {
        const state = SLEEPS[Math.floor(random() * SLEEPS.length)];
        if (await isAsleep(device)) await transit(device, "resume", state);
        else if (random() < 0.7) await transit(device, "suspend", state);
        else await cancelAfter(device, state, random() * 10);
        gpu.device.checkInvariants();
      }
      failpoints.reset();
      if (await isAsleep(device)) await expectResumed(device, "S3");
      else await expectWhole(device);
      await gpu.execute({ type: "resetDevice", scope: "GT" });
      await expectCycle(device, "S3");
    },
  );
});

/** Errors at the first, middle and last pass; a delay and a hang at the middle; and what takes nothing but an error. */
function casesOf(passes: ReadonlyMap<FailpointName, number>, errorOnly: readonly FailpointName[]): Case[] {
  const cases: Case[] = errorOnly.map((name) => ({ name, action: "ERROR", after: 0 }));
  for (const [name, count] of passes) {
    const middle = Math.floor((count - 1) / 2);
    cases.push({ name, action: "DELAY", after: middle });
    if (CANNOT_FAIL.includes(name)) continue;
    cases.push({ name, action: "HANG", after: middle });
    for (const after of new Set([0, middle, count - 1])) cases.push({ name, action: "ERROR", after });
  }
  return cases;
}

function armingOf({ action, after }: Case): typeof ERROR_ONCE {
  return { ...ERROR_ONCE, action, after, delayMs: 1000 };
}

/** A device that suspends itself gives up when it is not idle; one that was told to goes on without its GT. */
function mustFail({ name, action }: Case, state: Sleep): boolean {
  if (name === "idle.timeout") return state === "D3COLD";
  return action !== "DELAY" && !SURVIVED.includes(name) && !ASKED_AGAIN.includes(name);
}

function reasonFor({ name }: Case): ErrorReason {
  if (name === "idle.timeout") return "IDLE_TIMEOUT";
  return name === "image.short" ? "IMAGE_CORRUPT" : "COPY_FAILED";
}

function foundBySuspend(shape: Shape, state: Sleep): FailpointName[] {
  const found = shape === "empty" ? SURVIVED.filter((name) => !NEEDS_OBJECTS.includes(name)) : SURVIVED;
  return state === "S4" ? [...found, "image.short"] : [...found];
}

/** Of a device that suspended itself nobody took checksums. */
function foundByResume(shape: Shape, state: Sleep): FailpointName[] {
  if (shape === "empty") return ["firmware.load"];
  const found: FailpointName[] = ["firmware.load", ...NEEDS_OBJECTS];
  return state === "D3COLD" ? found : [...found, "verify.mismatch"];
}

/** What a device is that could not be switched on. */
function asleep(state: Sleep): PowerState {
  return state === "D3COLD" ? "ACTIVE" : "SUSPENDED";
}

/** Backups that a resume has left when it fails there: those that were not restored. */
function keptOf({ name, after }: Case, passes: ReadonlyMap<FailpointName, number>): number {
  const early = passes.get("restoreEarly.object") ?? 0;
  const late = passes.get("restoreLate.object") ?? 0;
  switch (name) {
    case "image.claim":
    case "image.read":
    case "swap.write":
    case "powerOn.before":
      return early + late;
    case "restoreEarly.object":
    case "restore.populate":
      return early + late - after;
    case "restoreLate.object":
      return late - after;
    case "verify.mismatch":
    case "image.consume":
      return 0;
    default:
      return late;
  }
}
