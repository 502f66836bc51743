/** Encodes transitions and their phases as messages. */

import { DState, SleepState } from "../../contract/gen/torpor/v1/common.ts";
import {
  type Transition,
  Transition_Kind,
  Transition_State,
  type TransitionPhase,
} from "../../contract/gen/torpor/v1/power.ts";
import type { PhaseRecord, TransitionResource } from "../../device/resource.ts";
import { toDuration, toInt64, toTimestamp } from "./convert.ts";
import { encodeError } from "./encode-error.ts";
import { childName } from "./resource-names.ts";

/** @param device id of the device to which the transition belongs. */
export function encodeTransition(device: string, transition: TransitionResource): Transition {
  return {
    // A transition that was only validated has no id, and so no name to ask for it by.
    name: transition.id === "" ? "" : childName(device, "transitions", transition.id),
    kind: Transition_Kind[transition.kind],
    sleepState: SleepState[transition.sleepState ?? "UNSPECIFIED"],
    dState: DState[transition.dState],
    state: Transition_State[transition.state],
    alreadyInState: transition.alreadyInState,
    startTime: toTimestamp(transition.startTimeNs),
    endTime: transition.endTimeNs === undefined ? undefined : toTimestamp(transition.endTimeNs),
    phases: transition.phases.map(encodePhase),
    evictedObjects: transition.evictedObjects,
    evictedBytes: toInt64(transition.evictedBytes),
    backupObjects: transition.backupObjects,
    backupBytes: toInt64(transition.backupBytes),
    restoredObjects: transition.restoredObjects,
    restoredBytes: toInt64(transition.restoredBytes),
    wedged: transition.wedged,
    recovered: transition.recovered,
    error: encodeError(transition.error),
  };
}

/** A phase that has ended. */
export function encodePhase(phase: PhaseRecord): TransitionPhase {
  return {
    phase: phase.phase,
    startTime: toTimestamp(phase.startTimeNs),
    duration: toDuration(phase.durationNs),
    objects: phase.objects,
    bytes: toInt64(phase.bytes),
    blitterBytes: toInt64(phase.blitterBytes),
    memcpyBytes: toInt64(phase.memcpyBytes),
    skippedVolatile: phase.skippedVolatile,
  };
}
