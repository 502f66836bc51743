/** Suspends and resumes: what is asked for, and what comes of it. */
import { field, numberField, textField } from "./json.ts";

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

/** How a suspend or a resume went. */
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
  readonly json: unknown;
}

/** Reads a Transition of the daemon. @throws TypeError when it is none. */
export function transitionOf(json: unknown): Transition {
  return {
    name: textField(json, "name"),
    state: textField(json, "state"),
    evictedObjects: numberField(json, "evictedObjects"),
    evictedBytes: numberField(json, "evictedBytes"),
    backupObjects: numberField(json, "backupObjects"),
    backupBytes: numberField(json, "backupBytes"),
    restoredObjects: numberField(json, "restoredObjects"),
    restoredBytes: numberField(json, "restoredBytes"),
    wedged: field(json, "wedged") === true,
    json,
  };
}
