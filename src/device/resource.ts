/**
 * What the device shows of itself: plain data, made anew for each answer, safe to keep.
 * Names and meanings follow the wire contract; sizes and offsets are numbers of bytes, times are nanoseconds.
 */

import type { ErrorReason } from "./errors.ts";
import type { Extent } from "./extent.ts";

export type PowerState = "ACTIVE" | "SUSPENDING" | "SUSPENDED" | "RESUMING" | "FAILED";
export type SleepState = "S2IDLE" | "S3" | "S4";
export type DState = "D0" | "D3HOT" | "D3COLD";
/** Who asked for a suspend: a client, or the end of the daemon. */
export type SuspendCause = "client" | "shutdown";
/**
 * Who owns the state of a device. OWNED: the device does. SLEEPING: its image holds it, for whoever claims
 * it. RESTORING: the device has claimed the image. IN_DOUBT: the store has not answered. LOST: another
 * device took the image.
 */
export type OwnershipState = "OWNED" | "SLEEPING" | "RESTORING" | "IN_DOUBT" | "LOST";

export interface OwnershipResource {
  readonly state: OwnershipState;
  /** Who has it; undefined while nobody does, or nobody knows. */
  readonly owner:
    | { readonly incarnation: string; readonly device: string; readonly sinceNs: bigint | undefined }
    | undefined;
}

export interface DeviceResource {
  readonly name: string;
  /** Of its state: a new one whenever the content is given up. */
  readonly uid: string;
  /** Rises with each claim of an image. */
  readonly generation: number;
  /** Id of the image that it was last resumed from; empty when its content began here. */
  readonly resumedFrom: string;
  readonly ownership: OwnershipResource;
  readonly model: string;
  readonly powerState: PowerState;
  /** The system sleep state that the device is in or moving to or from; undefined while ACTIVE. */
  readonly sleepState: SleepState | undefined;
  readonly dState: DState;
  readonly stateSinceNs: bigint;
  readonly wedged: boolean;
  /** Rises once per transition that reached `power_off`. */
  readonly suspendCount: number;
  /** Id of the running transition, or of the last one; empty before the first. */
  readonly transition: string;
  /** Region ids, `smem` last. */
  readonly regions: readonly string[];
  /** Where system memory swaps to; undefined when it does not. */
  readonly swap: { readonly sizeBytes: number; readonly usedBytes: number } | undefined;
  readonly engines: readonly string[];
  /**
   * Id of the sealed hibernation image that holds its state, from the seal until it is consumed; else empty.
   */
  readonly image: string;
  /** Why nothing can be done with it, though no transition says so: its card is lost, or did not wake. */
  readonly error: { readonly reason: ErrorReason; readonly message: string } | undefined;
  readonly etag: string;
}

/** STOLEN is the device's own: pinned for life, never walked, lost with the power. */
export type RegionKind = "LOCAL" | "SYSTEM" | "STOLEN";

export interface RegionResource {
  readonly id: string;
  readonly kind: RegionKind;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly availableBytes: number;
  readonly pinnedBytes: number;
  /** Bytes that the CPU can reach (small BAR); the whole size where there is no window. */
  readonly visibleBytes: number;
  readonly visibleAvailableBytes: number;
  readonly largestFreeBytes: number;
  /** Bytes that backups take here; 0 on an ACTIVE device. */
  readonly backupBytes: number;
  readonly pinnedObjectCount: number;
  /** Objects that have their bytes here, device-owned ones and backups included. */
  readonly objectCount: number;
  readonly minPageBytes: number;
}

/**
 * What a caller may ask for at creation, plus USER and KERNEL, which the device sets (drm/i915
 * I915_BO_ALLOC_*).
 */
export const OBJECT_FLAGS = [
  "USER",
  "KERNEL",
  "CONTIGUOUS",
  "VOLATILE",
  "CPU_CLEAR",
  "PM_EARLY",
  "PM_VOLATILE",
  "GPU_ONLY",
  "CPU_ACCESS",
] as const;
export type ObjectFlag = (typeof OBJECT_FLAGS)[number];

export type BackingState = "UNPOPULATED" | "RESIDENT" | "SWAPPED" | "PURGED" | "UNKNOWN";

/** What a client said of an object's content: kept, or free to be thrown away when room is needed. */
export type Advice = "WILL_NEED" | "DONT_NEED";

export interface ObjectResource {
  /** Decimal number for clients' objects, `k1`, `k2`… for the device's own. */
  readonly id: string;
  readonly uid: string;
  readonly sizeBytes: number;
  readonly label: string;
  readonly flags: readonly ObjectFlag[];
  /** Allowed regions, preferred first. */
  readonly regions: readonly string[];
  /** Where its bytes are; empty when it has none. */
  readonly region: string;
  readonly state: BackingState;
  readonly extents: readonly Extent[];
  readonly pinCount: number;
  readonly active: boolean;
  readonly evictable: boolean;
  readonly hasBackup: boolean;
  readonly madvise: Advice;
  readonly createTimeNs: bigint;
  /** Changes whenever placement, pins, state or backup change; not with content. */
  readonly etag: string;
}

/**
 * The phases of suspend and resume, in order. Also the metric label. `image` is written by one and read by
 * the other.
 */
export const PHASES = [
  "prepare",
  "evict",
  "idle",
  "evict_pinned",
  "memcpy",
  "firmware_stop",
  "image",
  "power_off",
  "power_on",
  "restore_early",
  "firmware_start",
  "engine_start",
  "restore_late",
  "verify",
  "release",
  "recover",
] as const;
export type PhaseName = (typeof PHASES)[number];

/** The names that an engine can have: what it is, and which of its kind. */
export const ENGINE_NAME = /^(?:rcs|ccs|bcs|vcs)[0-9]$/;

export type EngineKind = "RENDER" | "COMPUTE" | "COPY" | "VIDEO";
/** IDLE and RUNNING as they say; FAULTED: stopped, to be reset; HALTED: not powered or given up. */
export type EngineState = "IDLE" | "RUNNING" | "FAULTED" | "HALTED";

/** What an engine was doing when it had to be reset. */
export interface HangCapture {
  readonly timeNs: bigint;
  readonly why: string;
  /** Context whose work it was; empty for the device's own. */
  readonly context: string;
  readonly fence: string;
  /** Byte offset in the context's ring of the command that did not end. */
  readonly ringHead: number;
}

export interface EngineResource {
  readonly name: string;
  readonly kind: EngineKind;
  readonly state: EngineState;
  readonly busyNs: bigint;
  /** Submissions that wait for it or run on it. */
  readonly queueDepth: number;
  readonly resets: number;
  readonly submittedJobs: number;
  readonly completedJobs: number;
  readonly failedJobs: number;
  readonly lastHang: HangCapture | undefined;
}

export type ContextPriority = "LOW" | "NORMAL" | "HIGH";

export interface ContextResource {
  readonly id: string;
  readonly engine: string;
  readonly priority: ContextPriority;
  /** Sixteen 64-bit registers as they were last saved; empty before the first use. */
  readonly registers: readonly bigint[];
  /** Objects of the device's own that hold image and ring. */
  readonly image: string;
  readonly ring: string;
  /** Requests that wait or run. */
  readonly pendingRequests: number;
  readonly hangs: number;
  readonly banned: boolean;
}

export type FenceStateName = "PENDING" | "SIGNALED" | "FAILED";

export interface FenceResource {
  readonly id: string;
  readonly engine: string;
  readonly context: string;
  /** Position of the request in its context, from 1. */
  readonly seqno: number;
  readonly state: FenceStateName;
  readonly error: { readonly reason: ErrorReason; readonly message: string } | undefined;
}

/** What the objects of one label take; bytes are sizes of objects. */
export interface UsageResource {
  readonly label: string;
  readonly objects: number;
  /** In local memory. */
  readonly localBytes: number;
  /** In system memory: evicted there, or placed there at once. */
  readonly systemBytes: number;
  readonly swappedBytes: number;
  readonly pinnedBytes: number;
}

export interface PhaseRecord {
  readonly phase: PhaseName;
  readonly startTimeNs: bigint;
  readonly durationNs: bigint;
  /** Objects copied in this phase, and their bytes: blitterBytes + memcpyBytes = bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly blitterBytes: number;
  readonly memcpyBytes: number;
  /** Objects whose content was given up on purpose (pinned PM_VOLATILE). */
  readonly skippedVolatile: number;
}

export interface PlanShare {
  readonly objects: number;
  readonly bytes: number;
}

export interface PlanBlocker {
  readonly reason: ErrorReason;
  readonly message: string;
}

/** What a suspend would do if it began now. */
export interface SuspendPlan {
  readonly feasible: boolean;
  readonly blockers: readonly PlanBlocker[];
  readonly evict: PlanShare;
  readonly backupBlit: PlanShare;
  readonly backupMemcpy: PlanShare;
  /** Given up on purpose: pinned PM_VOLATILE objects, and those advised DONT_NEED. */
  readonly discard: PlanShare;
  readonly systemMemoryRequiredBytes: number;
  readonly systemMemoryAvailableBytes: number;
  /** The most that a hibernation image could take in its store now. */
  readonly imageBytesMax: number;
  /** By the rates of the device's model; exact under virtual time only. */
  readonly estimatedDurationNs: bigint;
}

/** The runtime kinds are those of runtime PM; powerState stays ACTIVE in them. */
export type TransitionKind = "SUSPEND" | "RESUME" | "RUNTIME_SUSPEND" | "RUNTIME_RESUME";
export type TransitionState = "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

export interface TransitionResource {
  readonly id: string;
  readonly kind: TransitionKind;
  /** Undefined for runtime PM. */
  readonly sleepState: SleepState | undefined;
  /** Where it leads: D3HOT keeps local memory, D3COLD loses it, D0 is awake. */
  readonly dState: DState;
  readonly state: TransitionState;
  /** Set on the answer to a call that found the device already there; nothing ran. */
  readonly alreadyInState: boolean;
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint | undefined;
  readonly phases: readonly PhaseRecord[];
  readonly evictedObjects: number;
  readonly evictedBytes: number;
  readonly backupObjects: number;
  readonly backupBytes: number;
  readonly restoredObjects: number;
  readonly restoredBytes: number;
  /** Whether the GT was declared wedged by the time the transition ended. */
  readonly wedged: boolean;
  /** Whether a failure or cancel was undone: ACTIVE, every byte as before. */
  readonly recovered: boolean;
  readonly error: { readonly reason: ErrorReason; readonly message: string } | undefined;
}

/** Runtime PM of a device, as it is set and as it stands. */
export interface RuntimePmResource {
  readonly enabled: boolean;
  /** Time without use after which the device suspends itself. */
  readonly autosuspendDelayMs: number;
  /** D3cold is entered when less local memory than this is used, else D3hot; 0 = never D3cold. */
  readonly d3coldThresholdBytes: number;
  /** ERROR: it sleeps, and the last attempt to wake it failed (runtime_status "error" of Linux). */
  readonly status: "ACTIVE" | "SUSPENDING" | "SUSPENDED" | "RESUMING" | "ERROR";
  /** What keeps the device awake now: calls in progress, and 1 for work on the engines. */
  readonly usageCount: number;
  /** Time spent runtime-suspended since boot. */
  readonly suspendedNs: bigint;
  readonly suspends: number;
}

/** A difference between the device that an image is of and the one that is to take it. */
export interface ImageDifference {
  /** A name of power/image/compatibility.ts, what `allowDifferences` takes. */
  readonly rule: string;
  readonly message: string;
  /** Whether it may be allowed; what may not would lose something. */
  readonly safe: boolean;
}
