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
   * Whether to take a CRC-32C of every object, before `evict` or when its work has ended, and compare it
   * after resume. @default false
   */
  readonly verify?: boolean;
  /**
   * Writes a hibernation image in S3 too, from which a device can return if the daemon dies meanwhile. Legal
   * with S3. @default false
   */
  readonly hybrid?: boolean;
  /**
   * Written into the image, if there is one. A device that the daemon hibernated when it ended wakes at its
   * next start. @default "client"
   */
  readonly cause?: SuspendCause;
  /** Returns what the real call would, including its error, without running it. @default false */
  readonly validateOnly?: boolean;
  /**
   * Answers after this time at the latest, 0 for at once; undefined waits for the end. Unit: milliseconds.
   */
  readonly waitMs?: number;
}
/**
 * Describes what a suspend would do, and changes nothing. Errors: those of Suspend in the device's present
 * state.
 */
export interface PlanSuspend extends Pick<Suspend, "idleTimeoutMs" | "onIdleTimeout" | "verify" | "hybrid"> {
  readonly type: "planSuspend";
  /** @default "S3" */
  readonly state?: SleepState;
}
export interface Resume {
  readonly type: "resume";
  /**
   * The hibernation image to resume from. A device suspended to S4 uses its own, which is also the default. A
   * device that is ACTIVE and empty may use any sealed image. Errors: IMAGE_NOT_FOUND, IMAGE_CLAIMED,
   * IMAGE_CONSUMED, IMAGE_IN_USE, IMAGE_CORRUPT, IMAGE_INCOMPATIBLE, OWNERSHIP_LOST, OWNERSHIP_IN_DOUBT.
   */
  readonly image?: string;
  /** Rules of power/image/compatibility.ts whose differences are accepted. */
  readonly allowDifferences?: readonly string[];
  readonly verify?: boolean;
  readonly validateOnly?: boolean;
  readonly waitMs?: number;
}
/**
 * Takes a snapshot of an ACTIVE device. Commands in progress end first, later ones wait. Errors: IDLE_TIMEOUT
 * if work still runs, DEVICE_WEDGED, SNAPSHOT_EXISTS, SNAPSHOT_MEMORY_EXHAUSTED, MACHINE_MEMORY_EXHAUSTED,
 * LIMIT_EXCEEDED, SNAPSHOT_STORE_MISSING.
 */
export interface TakeSnapshot {
  readonly type: "takeSnapshot";
  /** Its name; empty for one that the device finds. */
  readonly snapshot: string;
  readonly labels: Readonly<Record<string, string>>;
  /** How long work may still run. @default IDLE_TIMEOUT_DEFAULT_MS */
  readonly idleTimeoutMs?: number;
}
/**
 * Makes an ACTIVE device what a snapshot says, and drops all that it has. A device of another name must be
 * empty. Running work fails. Errors: SNAPSHOT_NOT_FOUND, SNAPSHOT_INCOMPATIBLE, DEVICE_NOT_EMPTY,
 * SNAPSHOT_STORE_MISSING. If it fails after everything was dropped, the device is as new.
 */
export interface RestoreSnapshot {
  readonly type: "restoreSnapshot";
  readonly snapshot: string;
  /** Answers after this time at the latest; undefined waits for the end. Unit: milliseconds. */
  readonly waitMs?: number;
}
export interface GetTransition {
  readonly type: "getTransition";
  readonly transition: string;
}
/** Newest first. */
export interface ListTransitions {
  readonly type: "listTransitions";
  /** Only transitions older than this id; empty to start from the newest. */
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
/** Errors: POWER_NOT_MODELLED. */
export interface GetPower {
  readonly type: "getPower";
}
export interface GetRuntimePm {
  readonly type: "getRuntimePm";
}
/** Changes the given settings. Errors: INVALID_REQUEST, also for a threshold larger than local memory. */
export interface UpdateRuntimePm {
  readonly type: "updateRuntimePm";
  readonly enabled?: boolean;
  readonly autosuspendDelayMs?: number;
  readonly d3coldThresholdBytes?: number;
  readonly verify?: boolean;
}
