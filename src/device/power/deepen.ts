/**
 * A device that is suspended goes to a deeper state as it is: from S2idle to S3, and from both to hybrid
 * sleep or S4. Nobody wakes it, because every byte is in system memory already. The phases are `image`, where
 * the target needs one that is not there yet, and `power_off`.
 */
import assert from "node:assert/strict";
import { type DeviceError, toDeviceError } from "../errors.ts";
import type { SleepState, SuspendPlan, TransitionResource } from "../resource.ts";
import { estimate } from "./estimate.ts";
import { imageBytesMaxOf } from "./image/amounts.ts";
import { isOwnershipError } from "./outcome.ts";
import type { Parts, SuspendTarget } from "./parts.ts";
import { rehearsed } from "./rehearsal.ts";
import { powerOff } from "./suspend-sequence.ts";
import type { Transition } from "./transition.ts";
import type { Checksums } from "./verify.ts";

const DEPTHS: Readonly<Record<SleepState, number>> = { S2IDLE: 0, S3: 1, S4: 2 };

/** A suspended device's way to a deeper state. */
export interface Deepening {
  readonly transition: Transition;
  readonly target: SuspendTarget;
  /** Those that its suspend took; the image gets them. */
  readonly checksums: Checksums | undefined;
}

/** Whether a device that sleeps in `from` has all that a suspend to `target` would give. */
export function isAsleepAs(parts: Parts, from: SleepState | undefined, target: SuspendTarget): boolean {
  return from === target.sleepState && !needsImage(parts, target);
}

/** Whether a device that sleeps in `from` can go to `target` without waking. */
export function canDeepen(from: SleepState | undefined, { sleepState: to }: SuspendTarget): boolean {
  return from !== undefined && to !== undefined && DEPTHS[to] >= DEPTHS[from];
}

/** Goes deeper, or stays where it is with every byte and returns why. Rejects only for a bug. */
export async function deepenOrStay(parts: Parts, deepening: Deepening): Promise<DeviceError | undefined> {
  const { transition } = deepening;
  const progress = { writes: needsImage(parts, deepening.target), powerOffBegun: false };
  try {
    await runDeepen(parts, deepening, progress);
    return undefined;
  } catch (error) {
    assert(!progress.powerOffBegun, `power_off cannot fail, but did: ${String(error)}`);
    const failure = toDeviceError(error);
    transition.commit();
    return (await abandonImage(parts, transition, progress)) ?? failure;
  }
}

/** Abandons the image that was written. A hybrid image of before stays. Returns why that is in doubt. */
async function abandonImage(
  { hibernation }: Parts,
  transition: Transition,
  { writes }: DeepenProgress,
): Promise<DeviceError | undefined> {
  try {
    if (writes) await hibernation.undo();
    transition.recovered = true;
    return undefined;
  } catch (error) {
    // Memory has every byte still, and the next resume settles the doubt first.
    const stuck = toDeviceError(error);
    return isOwnershipError(stuck) ? stuck : undefined;
  }
}

/** What deepening would do: it copies nothing within the device. */
export async function planDeepen(parts: Parts, target: SuspendTarget): Promise<SuspendPlan> {
  const { memory, pace } = parts;
  const nothing = { objects: 0, bytes: 0 };
  const imageBytesMax = needsImage(parts, target) ? await imageBytesMaxOf(parts) : 0;
  const amounts = imageBytesMax > 0 ? { image: { objects: 0, bytes: imageBytesMax, newBytes: 0 } } : {};
  const { minNs, maxNs, unmeasured } = estimate(amounts, pace, 0);
  return {
    feasible: true,
    blockers: [],
    evict: nothing,
    backupBlit: nothing,
    backupMemcpy: nothing,
    discard: nothing,
    systemMemoryRequiredBytes: 0,
    systemMemoryAvailableBytes: memory.system.freeBytes,
    imageBytesMax,
    durationMinNs: minNs,
    durationMaxNs: maxNs,
    unmeasured,
  };
}

/**
 * The transition of deepening, without an id (`validateOnly`).
 * @throws DeviceError the error that it would end with.
 */
export async function rehearseDeepen(parts: Parts, target: SuspendTarget): Promise<TransitionResource> {
  if (needsImage(parts, target)) await parts.hibernation.requireRoom(await imageBytesMaxOf(parts));
  return { ...rehearsed(parts), kind: "SUSPEND", sleepState: target.sleepState, dState: target.dState };
}

interface DeepenProgress {
  /** Whether it writes an image. */
  readonly writes: boolean;
  powerOffBegun: boolean;
}

async function runDeepen(parts: Parts, deepening: Deepening, progress: DeepenProgress): Promise<void> {
  const { transition, target, checksums } = deepening;
  const { services, hibernation } = parts;
  const learn = parts.pace.log.begin();
  if (progress.writes) {
    await transition.phase("image", (counts) =>
      hibernation.write(transition, counts, { hybrid: !target.losesSystem, cause: target.cause, checksums }),
    );
  }
  await services.failpoints.pass("powerOff.before");
  transition.check();
  transition.commit();
  progress.powerOffBegun = true;
  if (target.losesSystem) hibernation.noteMemoryLost();
  await transition.phase("power_off", () => powerOff(parts, target));
  learn(transition.describe().phases, undefined);
}

function needsImage({ hibernation }: Parts, target: SuspendTarget): boolean {
  return target.image && hibernation.image === "";
}
