/** Suspends and resumes: what is asked for, and what comes of it. */
import {
  SleepState,
  Transition_State,
  type Transition as TransitionMessage,
} from "../../../src/client/mod.ts";

export interface SuspendSettings {
  /** The device; the one of the container if none is given. */
  readonly device?: string;
  /** How deep to sleep; `S3` if nothing is given. `S4` writes an image and needs `withImageStore()`. */
  readonly state?: "S2IDLE" | "S3" | "S4";
  /** With S3: write an image too, so that a daemon that is killed meanwhile comes back from it. */
  readonly hybrid?: boolean;
  /** Compare checksums of all objects across the suspend. */
  readonly verify?: boolean;
}

export interface ResumeSettings {
  /** The device; the one of the container if none is given. */
  readonly device?: string;
  /** Compare with the checksums that the suspend took, if it did. */
  readonly verify?: boolean;
}

/** How a suspend or a resume went, in numbers that a test compares. */
export interface Transition {
  /** Such as `devices/card0/transitions/1`. */
  readonly name: string;
  /** Such as `SUCCEEDED`. */
  readonly state: string;
  readonly evictedObjects: number;
  readonly evictedBytes: number;
  readonly backupObjects: number;
  readonly backupBytes: number;
  readonly restoredObjects: number;
  readonly restoredBytes: number;
  /** Whether the engines were given up and the CPU copied. */
  readonly wedged: boolean;
  /** All that the daemon said, phases included. */
  readonly message: TransitionMessage;
}

/** What the client answered, as a Transition. */
export function transitionOf(message: TransitionMessage): Transition {
  const { name, evictedObjects, backupObjects, restoredObjects, wedged } = message;
  const [state = ""] = Object.entries(Transition_State).find(([, value]) => value === message.state) ?? [];
  return {
    name,
    state,
    evictedObjects,
    evictedBytes: Number(message.evictedBytes),
    backupObjects,
    backupBytes: Number(message.backupBytes),
    restoredObjects,
    restoredBytes: Number(message.restoredBytes),
    wedged,
    message,
  };
}

/** The sleep state as requests name it. */
export function sleepStateOf(state: SuspendSettings["state"]): SleepState {
  return SleepState[state ?? "S3"];
}
