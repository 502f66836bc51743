/**
 * The crash column of the fault matrix: the process dies at every failpoint of a suspend, of its recovery and of a
 * resume, on the way into each sleep and out of it, on each kind of device. The next process finds a sealed image and with
 * it every byte, or a device as new.
 */
import { describe, expect, test } from "vitest";
import type { FailpointName } from "../../../src/device/mod.ts";
import { countPasses, takes } from "../../support/fault-passes.ts";
import {
  bootAfterDeath,
  bootShape,
  SHAPES,
  type Shape,
  type StrainedDevice,
} from "../../support/fault-shapes.ts";
import {
  dieIn,
  expectCycle,
  expectResumed,
  expectWhole,
  SLEEPS,
  type Sleep,
  transit,
} from "../../support/fault-transit.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { hashOf, KIB, patternOf } from "../../support/test-device.ts";

/** Passed by a suspend to S4 when its image is sealed already. */
const AFTER_SEALING: readonly FailpointName[] = [
  "image.seal.answer",
  "image.sealed",
  "powerOff.before",
  "powerOff.after",
];
/** Passed by a resume when its image is consumed already. */
const AFTER_CONSUMING: readonly FailpointName[] = ["image.commit.answer", "image.consumed"];

describe.each(SHAPES.flatMap((shape) => SLEEPS.map((state) => ({ shape, state }))))(
  "$shape, $state: a process that dies",
  async ({ shape, state }) => {
    const passes = await countPasses(shape, state);
    const able = await bootShape(shape);
    const casesOf = (passed: ReadonlyMap<FailpointName, number>): { name: FailpointName; after: number }[] =>
      [...passed]
        .filter(([name]) => takes(able, name, "CRASH"))
        .map(([name, count]) => ({ name, after: Math.floor((count - 1) / 2) }));

    test.each(casesOf(passes.suspend))("at $name after $after passes of a suspend", async (fault) => {
      const device = await bootShape(shape);
      device.failpoints.arm(fault.name, crashAfter(fault.after));
      await dieIn(device, "suspend", state);
      await expectNext(shape, state, device, state === "S4" && AFTER_SEALING.includes(fault.name));
    });

    test.each(casesOf(passes.recover))("at $name after $after passes of a recover", async (fault) => {
      const device = await bootShape(shape);
      device.failpoints.arm("powerOff.before", ERROR_ONCE);
      device.failpoints.arm(fault.name, crashAfter(fault.after));
      await dieIn(device, "suspend", state);
      // The originals are all there: the image is consumed before anything else is undone.
      await expectNext(shape, state, device, state === "S4" && fault.name === "image.consume");
    });

    test.each(casesOf(passes.resume))("at $name after $after passes of a resume", async (fault) => {
      const device = await bootShape(shape);
      expect(await transit(device, "suspend", state)).toMatchObject({ state: "SUCCEEDED" });
      device.failpoints.arm(fault.name, crashAfter(fault.after));
      await dieIn(device, "resume", state);
      await expectNext(shape, state, device, state === "S4" && !AFTER_CONSUMING.includes(fault.name));
    });
  },
);

function crashAfter(after: number): typeof ERROR_ONCE {
  return { ...ERROR_ONCE, action: "CRASH", after };
}

/** The next process: with a sealed image it has everything, without one it is as new; either way it sleeps and wakes. */
async function expectNext(shape: Shape, state: Sleep, dead: StrainedDevice, sealed: boolean): Promise<void> {
  expect(dead.images.usable()).toHaveLength(sealed ? 1 : 0);
  const next = await bootAfterDeath(shape, dead.images);
  expect(next.images.idsOf("PARTIAL")).toEqual([]);
  if (sealed) {
    for (const [id, hash] of dead.hashes) next.hashes.set(id, hash);
    await expectResumed(next, "S4");
  } else {
    const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
    expect((await next.gpu.execute(list)).objects).toEqual([]);
    const bytes = patternOf(1, 64 * KIB);
    next.hashes.set(await next.gpu.upload(bytes), hashOf(bytes));
    next.gpu.device.checkInvariants();
  }
  await expectCycle(next, state);
  await expectWhole(next);
}
