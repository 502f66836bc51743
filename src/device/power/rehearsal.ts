/** The result that a suspend or resume would have, without running any of it (`validateOnly`). */
import { DeviceError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { systemMemoryExhausted } from "../memory/evict.ts";
import type { SleepState, TransitionResource } from "../resource.ts";
import type { Parts, SuspendTarget } from "./parts.ts";
import { planSuspend } from "./plan.ts";
import { remainingBackups } from "./restore.ts";
import type { Wanted } from "./resume-claim.ts";

/**
 * The transition of a successful suspend, without an id.
 * @throws DeviceError the error that it would end with.
 */
export async function rehearseSuspend(parts: Parts, target: SuspendTarget): Promise<TransitionResource> {
  const plan = await planSuspend({ ...parts, target });
  const [blocker] = plan.blockers;
  if (blocker?.reason === "SYSTEM_MEMORY_EXHAUSTED") {
    const what = `the ${formatBytes(plan.systemMemoryRequiredBytes)} that the suspend needs`;
    throw systemMemoryExhausted(parts.memory, what);
  }
  if (blocker !== undefined) throw new DeviceError(blocker.reason, blocker.message);
  if (target.image) await parts.hibernation.requireRoom(plan.imageBytesMax);
  return {
    ...rehearsed(parts),
    kind: "SUSPEND",
    sleepState: target.sleepState,
    dState: target.dState,
    evictedObjects: plan.evict.objects,
    evictedBytes: plan.evict.bytes,
    backupObjects: plan.backupBlit.objects + plan.backupMemcpy.objects,
    backupBytes: plan.backupBlit.bytes + plan.backupMemcpy.bytes,
  };
}

/** The same for a resume. */
export async function rehearseResume(
  parts: Parts,
  sleepState: SleepState | undefined,
  { given, allowDifferences }: Wanted,
): Promise<TransitionResource> {
  const { hibernation } = parts;
  const image = given === "" ? hibernation.claimable : given;
  if (image !== "") {
    await hibernation.requireClaimable(image);
    await hibernation.check(image, allowDifferences);
  }
  const { count } = await remainingBackups(parts, 0);
  return { ...rehearsed(parts), kind: "RESUME", sleepState, dState: "D0", restoredObjects: count };
}

/** A transition that succeeds, without an id. */
export function rehearsed(parts: Parts): Omit<TransitionResource, "kind" | "sleepState" | "dState"> {
  return {
    id: "",
    state: "SUCCEEDED",
    alreadyInState: false,
    startTimeNs: parts.services.clock.wallNs(),
    endTimeNs: undefined,
    phases: [],
    evictedObjects: 0,
    evictedBytes: 0,
    backupObjects: 0,
    backupBytes: 0,
    restoredObjects: 0,
    restoredBytes: 0,
    wedged: false,
    recovered: false,
    error: undefined,
  };
}
