/** Which failpoints a transition passes, and how often: what a matrix of faults goes through. */
import { expect } from "vitest";
import type { FailpointAction, FailpointName } from "../../src/device/mod.ts";
import { bootShape, type Shape, type StrainedDevice } from "./fault-shapes.ts";
import { type Direction, type Sleep, transit } from "./fault-transit.ts";
import { ERROR_ONCE } from "./faulty-device.ts";

/** They make the device find something instead of failing, and the device can live with it. */
export const SURVIVED: readonly FailpointName[] = [
  "idle.timeout",
  "migrate.pageTable",
  "blitter.hang",
  "copy.blit",
];
/** They lose the answer to a write that took effect: the device asks again, and finds that it is done. */
export const ASKED_AGAIN: readonly FailpointName[] = [
  "image.seal.answer",
  "image.abandon.answer",
  "image.claim.answer",
  "image.giveBack.answer",
  "image.commit.answer",
  "image.own.answer",
];
/** The card is gone after them, and with it what it holds: only a FACTORY reset ends that. */
export const LOSES_CARD: readonly FailpointName[] = ["link.down"];
/** They make the device find what stops a suspend, or a resume. */
const FOUND: readonly FailpointName[] = ["image.short", "firmware.load", "verify.mismatch"];

/** What a recover passes. */
const RECOVER: readonly FailpointName[] = [
  "image.consume",
  "image.commit.answer",
  "image.consumed",
  "recover.object",
  "backup.free",
];

export interface Passes {
  readonly suspend: ReadonlyMap<FailpointName, number>;
  readonly resume: ReadonlyMap<FailpointName, number>;
  readonly recover: ReadonlyMap<FailpointName, number>;
}

/** How often each failpoint is passed: a delay of nothing at all of them counts, and changes nothing. */
export async function countPasses(shape: Shape, state: Sleep): Promise<Passes> {
  const device = await bootShape(shape);
  const { failpoints } = device;
  const passed = async (direction: Direction): Promise<ReadonlyMap<FailpointName, number>> => {
    failpoints.reset();
    for (const { name } of failpoints.list()) {
      if (SURVIVED.includes(name) || FOUND.includes(name) || !takes(device, name, "DELAY")) continue;
      failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", count: 0 });
    }
    expect(await transit(device, direction, state)).toMatchObject({ state: "SUCCEEDED" });
    return hitsOf(device);
  };
  const suspend = await passed("suspend");
  const resume = await passed("resume");
  const again = await bootShape(shape);
  again.failpoints.arm("powerOff.before", ERROR_ONCE);
  for (const name of RECOVER) {
    again.failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", count: 0 });
  }
  await transit(again, "suspend", state);
  again.failpoints.disarm("powerOff.before");
  const recover = new Map([...hitsOf(again)].filter(([name]) => name !== "powerOff.before"));
  return { suspend, resume, recover };
}

/** Whether a failpoint can be armed so. Arms it. */
export function takes({ failpoints }: StrainedDevice, name: FailpointName, action: FailpointAction): boolean {
  try {
    failpoints.arm(name, { ...ERROR_ONCE, action });
    return true;
  } catch {
    return false;
  }
}

function hitsOf({ failpoints }: StrainedDevice): Map<FailpointName, number> {
  const hit = failpoints.list().filter(({ hits }) => hits > 0);
  return new Map(hit.map(({ name, hits }) => [name, hits]));
}
