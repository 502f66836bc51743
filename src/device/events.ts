/**
 * Events that the device emits as they happen: tagged plain data for a sink that is handed in. The sink must
 * not throw or call back into the device. It counts, logs or queues.
 */
import type { ErrorReason } from "./errors.ts";
import type { DState, PhaseRecord, PowerState, TransitionResource } from "./resource.ts";

/** The writes that change the owner of a state (image/image-store.ts). */
export type OwnershipWrite = "seal" | "abandon" | "claim" | "giveBack" | "commit" | "own";

export type CopyPath = "blitter" | "memcpy";
export type EvictionCause = "pressure" | "suspend" | "request";

export type DeviceEvent =
  | { readonly type: "powerState"; readonly state: PowerState; readonly dState: DState }
  | { readonly type: "transitionStarted"; readonly transition: TransitionResource }
  | {
      readonly type: "phaseEnded";
      readonly transition: TransitionResource;
      readonly phase: PhaseRecord;
      /** The error that ended it early; undefined if it did its work. */
      readonly error?: TransitionResource["error"];
    }
  | { readonly type: "transitionEnded"; readonly transition: TransitionResource }
  | {
      readonly type: "evicted";
      readonly cause: EvictionCause;
      readonly path: CopyPath;
      readonly objects: number;
      readonly bytes: number;
    }
  | {
      readonly type: "backedUp";
      readonly path: CopyPath;
      readonly objects: number;
      readonly bytes: number;
      readonly durationNs: bigint;
    }
  | {
      readonly type: "restored";
      readonly path: CopyPath;
      readonly early: boolean;
      readonly objects: number;
      readonly bytes: number;
      readonly durationNs: bigint;
    }
  | { readonly type: "skippedVolatile"; readonly objects: number; readonly bytes: number }
  | { readonly type: "purged"; readonly objects: number; readonly bytes: number }
  | { readonly type: "swappedOut"; readonly objects: number; readonly bytes: number }
  | { readonly type: "swappedIn"; readonly objects: number; readonly bytes: number }
  | { readonly type: "swapFailed"; readonly reason: string }
  | { readonly type: "contentLost"; readonly object: string; readonly bytes: number }
  | { readonly type: "allocated"; readonly region: string; readonly objects: number }
  | { readonly type: "allocationFailed"; readonly region: string; readonly reason: string }
  | { readonly type: "blitterFallback"; readonly reason: string; readonly bytes: number }
  | { readonly type: "verifyFailed"; readonly objects: readonly string[] }
  | { readonly type: "recovered"; readonly complete: boolean }
  | {
      readonly type: "phaseForgiven";
      readonly transition: TransitionResource;
      readonly reason: ErrorReason;
      readonly message: string;
    }
  | { readonly type: "snapshotTaken"; readonly snapshot: string; readonly copiedBytes: number }
  /** All objects and contexts are those of the snapshot now. */
  | { readonly type: "deviceRestored"; readonly snapshot: string }
  | { readonly type: "imageSealed"; readonly image: string }
  | { readonly type: "imageConsumed"; readonly image: string }
  | { readonly type: "imageClaimed"; readonly image: string }
  | { readonly type: "imageGivenBack"; readonly image: string }
  /** The store has not said whether a write of ownership took effect. */
  | { readonly type: "ownershipInDoubt"; readonly image: string; readonly write: OwnershipWrite }
  | {
      readonly type: "jobEnded";
      readonly engine: string;
      readonly completed: boolean;
      /**
       * The time from its acceptance until it entered its context's ring; undefined if it ended before that.
       */
      readonly waitNs: bigint | undefined;
    }
  | { readonly type: "engineReset"; readonly engine: string; readonly why: string; readonly context: string }
  | { readonly type: "contextCreated"; readonly context: string }
  /** It made its engine hang once more. */
  | { readonly type: "contextChanged"; readonly context: string }
  | { readonly type: "contextDeleted"; readonly context: string }
  | { readonly type: "wedged"; readonly wedged: boolean; readonly why: string };

export type EventSink = (event: DeviceEvent) => void;
