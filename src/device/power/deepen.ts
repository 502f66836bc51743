/**
 * A device that is suspended goes to a deeper state as it is: from S2idle to S3, and from both to hybrid
 * sleep or S4. Nobody wakes it, because every byte is in system memory already. The phases are `image`, where
 * the target needs one that is not there yet, and `power_off`.
 */
import assert from "node:assert/strict";
import type { Suspend } from "../command.ts";
import { type DeviceError, toDeviceError } from "../errors.ts";
import type { DState, SleepState, SuspendPlan, TransitionResource } from "../resource.ts";
import { answer } from "./answer.ts";
import { estimate } from "./estimate.ts";
import { imageBytesMaxOf } from "./image/amounts.ts";
import { isOwnershipError } from "./outcome.ts";
import type { Parts, SuspendTarget } from "./parts.ts";
import { rehearsed } from "./rehearsal.ts";
import { requireChecksums } from "./resume-claim.ts";
import { powerOff } from "./suspend-sequence.ts";
import type { Transition } from "./transition.ts";
import type { TransitionLog } from "./transition-log.ts";
import type { Turn } from "./turn.ts";
import type { Checksums } from "./verify.ts";

const DEPTHS: Readonly<Record<SleepState, number>> = { S2IDLE: 0, S3: 1, S4: 2 };

/** The device that goes deeper, as power knows it. */
export interface Sleeper {
  sleepState: SleepState | undefined;
  readonly dState: DState;
  suspendCount: number;
  /** Those that its suspend took; the image gets them. */
  readonly checksums: Checksums | undefined;
  readonly transitions: TransitionLog;
  readonly claims: Turn;
  enter(event: "suspend" | "suspended", dState: DState): void;
  /** @throws DeviceError TRANSITION_IN_PROGRESS */
  refuseSecond(): void;
}

/** A suspended device's way to a deeper state. */
interface Deepening {
  readonly transition: Transition;
  readonly target: SuspendTarget;
  readonly checksums: Checksums | undefined;
}

/**
 * Brings a suspended device to a deeper state, or leaves it as it was. Answers as Suspend does.
 * @throws DeviceError INVALID_REQUEST, OWNERSHIP_LOST, TRANSITION_IN_PROGRESS, or what ended the transition
 */
export async function deepen(
  parts: Parts,
  sleeper: Sleeper,
  { command, target }: { readonly command: Suspend; readonly target: SuspendTarget },
): Promise<TransitionResource> {
  const { hibernation } = parts;
  requireChecksums(parts, command, sleeper.checksums !== undefined);
  if (command.validateOnly === true) return rehearseDeepen(parts, target);
  const begun = await sleeper.claims.run(async () => {
    sleeper.refuseSecond();
    // An image of before becomes the only copy, so it must be this device's still. A claim takes a number.
    await hibernation.claim("");
    const log = sleeper.transitions;
    log.nextId = Math.max(log.nextId, hibernation.transitionIdMin);
    const transition = log.begin({ ...target, kind: "SUSPEND" });
    return { transition, run: run(parts, sleeper, { transition, target, checksums: sleeper.checksums }) };
  });
  return answer(begun.transition, begun.run, command.waitMs);
}

async function run(parts: Parts, sleeper: Sleeper, deepening: Deepening): Promise<void> {
  const { sleepState, dState } = sleeper;
  const { transition, target } = deepening;
  sleeper.enter("suspend", dState);
  const failure = await deepenOrStay(parts, deepening);
  await parts.hibernation.release();
  if (failure === undefined) sleeper.suspendCount++;
  sleeper.sleepState = failure === undefined ? target.sleepState : sleepState;
  sleeper.enter("suspended", failure === undefined ? target.dState : dState);
  sleeper.transitions.finish(transition, failure);
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
async function deepenOrStay(parts: Parts, deepening: Deepening): Promise<DeviceError | undefined> {
  const { transition } = deepening;
  const progress = { writes: needsImage(parts, deepening.target), powerOffBegun: false };
  try {
    await runDeepen(parts, deepening, progress);
    return undefined;
  } catch (error) {
    assert(!progress.powerOffBegun, `power_off cannot fail, but did: ${String(error)}`);
    const failure = toDeviceError(error);
    transition.commit();
    const stuck = await abandonImage(parts, transition, progress);
    parts.services.emit({ type: "recovered", complete: transition.recovered });
    return stuck ?? failure;
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
  const amounts = {
    waits: { objects: 0, bytes: 0, newBytes: 0 },
    ...(imageBytesMax > 0 ? { image: { objects: 0, bytes: imageBytesMax, newBytes: 0 } } : {}),
  };
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
async function rehearseDeepen(parts: Parts, target: SuspendTarget): Promise<TransitionResource> {
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
  const { services, rail, hibernation } = parts;
  const learn = parts.pace.log.begin();
  if (progress.writes) {
    await transition.phase("image", async (counts) => {
      // An image is made of memory, and must find nothing there of before the power loss.
      await rail.restored();
      const { losesSystem, cause } = target;
      await hibernation.write(transition, counts, { hybrid: !losesSystem, cause, checksums });
    });
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
