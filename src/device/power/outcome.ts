/** Brings a sequence to its end, whatever fails on the way, and returns how it ended. */
import assert from "node:assert/strict";
import { DeviceError, toDeviceError } from "../errors.ts";
import { OBJECTS_NAMED_MAX } from "../limits.ts";
import type { Parts, SuspendProgress, SuspendTarget } from "./parts.ts";
import { recoverRegions, remainingBackups } from "./restore.ts";
import { type ResumeSource, runResume } from "./resume-sequence.ts";
import { restartGt, runRecover, runSuspend } from "./suspend-sequence.ts";
import type { Transition } from "./transition.ts";
import type { Checksums } from "./verify.ts";

export type SuspendOutcome =
  | { readonly failure: undefined; readonly checksums: Checksums | undefined }
  | { readonly failure: DeviceError };

/** Suspends, or undoes everything if that fails. Rejects only for a bug. */
export async function suspendOrRecover(
  parts: Parts,
  transition: Transition,
  target: SuspendTarget,
): Promise<SuspendOutcome> {
  const progress: SuspendProgress = {
    firmwareStopped: false,
    powerOffBegun: false,
    checksums: undefined,
    preallocated: new Map(),
  };
  try {
    await runSuspend(parts, { transition, target, progress });
    transition.wedged = parts.gt.wedged;
    return { failure: undefined, checksums: progress.checksums };
  } catch (error) {
    // From here on the backups are the only copy, and recover would drop them.
    assert(!progress.powerOffBegun, `power_off cannot fail, but did: ${String(error)}`);
    const failure = toDeviceError(error);
    transition.commit();
    const stuck = await recover(parts, transition, progress);
    transition.wedged = parts.gt.wedged;
    return { failure: stuck ?? failure };
  }
}

export interface ResumeOutcome {
  readonly failure: DeviceError | undefined;
  /** Whether power was on at the end. */
  readonly powerOn: boolean;
  /** Whether the checksums have been compared. */
  readonly compared: boolean;
}

/** Resumes. A failure names the objects that were not restored. Never rejects, as above. */
export async function resumeOrKeep(
  parts: Parts,
  transition: Transition,
  source: ResumeSource,
): Promise<ResumeOutcome> {
  const progress = { powerOn: false, compared: false };
  try {
    await runResume(parts, { transition, source, progress });
    transition.wedged = parts.gt.wedged;
    return { ...progress, failure: undefined };
  } catch (error) {
    const failure = await withRemaining(parts, toDeviceError(error));
    transition.wedged = parts.gt.wedged;
    if (progress.powerOn) parts.meter?.enter("D0");
    if (progress.powerOn && parts.gt.wedged) await renewGt(parts);
    return { ...progress, failure };
  }
}

/**
 * The saved firmware or page table did not work. If the CPU reaches only a part of local memory, only an
 * engine can bring back the rest. So the next resume starts with the firmware and page table of a boot.
 */
async function renewGt({ gt }: Parts): Promise<void> {
  await gt.haltEngines();
  gt.rewriteKernelObjects();
}

/** Undoes a suspend. Returns why the device must not be ACTIVE: its image could not be abandoned. */
async function recover(
  parts: Parts,
  transition: Transition,
  progress: SuspendProgress,
): Promise<DeviceError | undefined> {
  const { services, gt, hibernation } = parts;
  const wasWedged = gt.wedged;
  let stuck: DeviceError | undefined;
  try {
    await runRecover(parts, transition, progress);
    transition.recovered = true;
  } catch (error) {
    const failure = toDeviceError(error);
    // The image is still there, so the backups stay too. A resume continues with both.
    if (hibernation.image !== "") stuck = failure;
    else {
      // The bytes are safe, because the backups are dropped in any case. Only the GT may not have come back.
      await recoverRegions(parts, true);
      transition.recovered = wasWedged || (await isGtBack(parts, progress));
      if (!transition.recovered) await gt.setWedged("it did not start again after an aborted suspend");
    }
  }
  services.emit({ type: "recovered", complete: transition.recovered });
  return isOwnershipError(stuck) ? stuck : undefined;
}

/** Whether an error says more about the device than the one that stopped the suspend. */
export function isOwnershipError(error: DeviceError | undefined): boolean {
  return error?.reason === "OWNERSHIP_IN_DOUBT" || error?.reason === "OWNERSHIP_LOST";
}

async function isGtBack(parts: Parts, progress: SuspendProgress): Promise<boolean> {
  try {
    await restartGt(parts, progress);
    // An earlier attempt may have wedged the GT, and then this one starts nothing.
    return !parts.gt.wedged;
  } catch (error) {
    toDeviceError(error);
    return false;
  }
}

async function withRemaining(parts: Parts, failure: DeviceError): Promise<DeviceError> {
  const { count, ids } = await remainingBackups(parts, OBJECTS_NAMED_MAX);
  if (count === 0) return failure;
  const metadata = { ...failure.metadata, notRestored: ids.join(", "), notRestoredCount: String(count) };
  const message =
    `${failure.message} ${count === 1 ? "1 object has" : `${count} objects have`} not ` +
    `been restored yet: ${ids.join(", ")}${count > ids.length ? ", …" : ""}.`;
  return new DeviceError(failure.reason, message, metadata).because(failure);
}
