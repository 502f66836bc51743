/** The commands of power: suspend, resume, their records, and runtime PM. */
import type { SleepState, SuspendCause } from "./resource.ts";

export interface Suspend {
  readonly type: "suspend";
  readonly state: SleepState;
  /** @default IDLE_TIMEOUT_DEFAULT_MS */
  readonly idleTimeoutMs?: number;
  /** @default "WEDGE" */
  readonly onIdleTimeout?: "WEDGE" | "ABORT";
  /**
   * Take a CRC-32C of every object, before `evict` or when its work has ended, and compare after resume.
   * @default false
   */
  readonly verify?: boolean;
  /**
   * S3 with a hibernation image too, from which a daemon that dies meanwhile comes back. Legal with S3.
   * @default false
   */
  readonly hybrid?: boolean;
  /**
   * Written into the image, if there is one: what the end of the daemon hibernated wakes at its start.
   * @default "client"
   */
  readonly cause?: SuspendCause;
  /** Answer what the call would, or the error that it would end with; nothing runs. @default false */
  readonly validateOnly?: boolean;
  /** Answer after this long at the latest, 0 = at once; undefined = when it has ended. Unit: milliseconds. */
  readonly waitMs?: number;
}
/**
 * Answers what a suspend would do, touching nothing. Errors: those of Suspend for the state of the device.
 */
export interface PlanSuspend {
  readonly type: "planSuspend";
}
export interface Resume {
  readonly type: "resume";
  /**
   * The hibernation image to resume from: the device's own when it is suspended to S4, and the default; any
   * sealed one when the device is ACTIVE and empty. Errors: IMAGE_NOT_FOUND, IMAGE_CLAIMED, IMAGE_CONSUMED,
   * IMAGE_IN_USE, IMAGE_CORRUPT, IMAGE_INCOMPATIBLE, OWNERSHIP_LOST, OWNERSHIP_IN_DOUBT.
   */
  readonly image?: string;
  /** Rules of power/image/compatibility.ts whose differences are accepted. */
  readonly allowDifferences?: readonly string[];
  readonly verify?: boolean;
  readonly validateOnly?: boolean;
  readonly waitMs?: number;
}
export interface GetTransition {
  readonly type: "getTransition";
  readonly transition: string;
}
/** Newest first. */
export interface ListTransitions {
  readonly type: "listTransitions";
  /** Only transitions older than this id; empty = from the newest. */
  readonly beforeId: string;
  readonly limit: number;
}
/** Legal until `power_off` has begun. Errors: TRANSITION_NOT_FOUND, TRANSITION_NOT_CANCELLABLE. */
export interface CancelTransition {
  readonly type: "cancelTransition";
  readonly transition: string;
}

/**
 * The transition as Chrome trace events (JSON, UTF-8): phases, and copies of each engine. Opens in Perfetto.
 */
export interface GetTransitionTrace {
  readonly type: "getTransitionTrace";
  readonly transition: string;
}
export interface GetRuntimePm {
  readonly type: "getRuntimePm";
}
/** Changes what is given. Errors: INVALID_REQUEST, for a threshold above the size of local memory too. */
export interface UpdateRuntimePm {
  readonly type: "updateRuntimePm";
  readonly enabled?: boolean;
  readonly autosuspendDelayMs?: number;
  readonly d3coldThresholdBytes?: number;
}
