/** Encodes the plan of a suspend as a message. */

import type { SuspendPlan, SuspendPlan_Share } from "../../contract/gen/torpor/v1/power.ts";
import type { SuspendPlan as Plan, PlanShare } from "../../device/resource.ts";
import { toDuration, toInt64 } from "./convert.ts";

export function encodePlan(plan: Plan): SuspendPlan {
  return {
    feasible: plan.feasible,
    blockers: plan.blockers.map(({ reason, message }) => ({ reason, message })),
    evict: encodeShare(plan.evict),
    backupBlit: encodeShare(plan.backupBlit),
    backupMemcpy: encodeShare(plan.backupMemcpy),
    discard: encodeShare(plan.discard),
    systemMemoryRequired: toInt64(plan.systemMemoryRequiredBytes),
    systemMemoryAvailable: toInt64(plan.systemMemoryAvailableBytes),
    imageBytesMax: toInt64(plan.imageBytesMax),
    estimatedDuration: toDuration(plan.durationMaxNs),
    durationMin: toDuration(plan.durationMinNs),
    durationMax: toDuration(plan.durationMaxNs),
    unmeasured: [...plan.unmeasured],
  };
}

function encodeShare({ objects, bytes }: PlanShare): SuspendPlan_Share {
  return { objects, bytes: toInt64(bytes) };
}
