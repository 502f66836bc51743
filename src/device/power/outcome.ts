/** Sees a sequence to its end, whatever happens on the way, and says how it ended. */
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

/** Suspends, or undoes everything if that fails. Never rejects for a fault of a caller or the world. */
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
    if (progress.powerOn && parts.gt.wedged) await renewGt(parts);
    return { ...progress, failure };
  }
}

/**
 * Firmware and page table as they were saved did not serve, and where the CPU reaches only a part of local
 * memory nothing else can bring the rest back: the next resume finds them as they are at boot.
 */
async function renewGt({ gt }: Parts): Promise<void> {
  await gt.haltEngines();
  gt.rewriteKernelObjects();
}

/**
 * Undoes a suspend. Answers why the device must not be ACTIVE, when an image could not be got out of the
 * way.
 */
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
    // With its image still there the backups stay too: a resume goes on with both.
    if (hibernation.image !== "") stuck = failure;
    else {
      // The bytes are safe: backups go whatever happens. What may not have come back is the GT.
      await recoverRegions(parts, true);
      transition.recovered = wasWedged || (await isGtBack(parts, progress));
      if (!transition.recovered) await gt.setWedged("it did not start again after an aborted suspend");
    }
  }
  services.emit({ type: "recovered", complete: transition.recovered });
  return isOwnershipError(stuck) ? stuck : undefined;
}

/** Whether an error says more of the device than what stopped the suspend. */
function isOwnershipError(error: DeviceError | undefined): boolean {
  return error?.reason === "OWNERSHIP_IN_DOUBT" || error?.reason === "OWNERSHIP_LOST";
}

async function isGtBack(parts: Parts, progress: SuspendProgress): Promise<boolean> {
  try {
    await restartGt(parts, progress);
    // It may have been given up in the attempt before this one, which then starts nothing.
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
