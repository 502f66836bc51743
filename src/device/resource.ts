/**
 * The device's answers about itself: plain data, made anew for each answer and safe to keep. Names and
 * meanings follow the wire contract. Sizes and offsets are numbers of bytes, and times are nanoseconds.
 */

import type { ErrorReason } from "./errors.ts";
import type { Extent } from "./extent.ts";

export type PowerState = "ACTIVE" | "SUSPENDING" | "SUSPENDED" | "RESUMING" | "FAILED";
export type SleepState = "S2IDLE" | "S3" | "S4";
export type DState = "D0" | "D3HOT" | "D3COLD";
/** Who asked for a suspend: a client, or the daemon because it ends. */
export type SuspendCause = "client" | "shutdown";
/**
 * The owner of a device's state. OWNED: the device itself. SLEEPING: its image holds the state, for any
 * device that claims it. RESTORING: the device has claimed the image. IN_DOUBT: the store has not answered.
 * LOST: another device took the image.
 */
export type OwnershipState = "OWNED" | "SLEEPING" | "RESTORING" | "IN_DOUBT" | "LOST";

export interface OwnershipResource {
  readonly state: OwnershipState;
  /** The owner; undefined if there is none, or nobody knows. */
  readonly owner:
    | { readonly incarnation: string; readonly device: string; readonly sinceNs: bigint | undefined }
    | undefined;
}

export interface DeviceResource {
  readonly name: string;
  /** The uid of its state: a new one whenever the content is given up. */
  readonly uid: string;
  /** Increases with each claim of an image. */
  readonly generation: number;
  /** Id of the image from which it last resumed; empty if its content began here. */
  readonly resumedFrom: string;
  readonly ownership: OwnershipResource;
  readonly model: string;
  readonly powerState: PowerState;
  /** The system sleep state that the device is in or moving to or from; undefined while ACTIVE. */
  readonly sleepState: SleepState | undefined;
  readonly dState: DState;
  readonly stateSinceNs: bigint;
  readonly wedged: boolean;
  /** Increases with each suspend that was asked for and reached `power_off`, S2IDLE among them. */
  readonly suspendCount: number;
  /** Id of the running or latest transition; empty before the first. */
  readonly transition: string;
  /** Region ids, `smem` last. */
  readonly regions: readonly string[];
  /** Swap for system memory; undefined if there is none. */
  readonly swap: { readonly sizeBytes: number; readonly usedBytes: number } | undefined;
  readonly engines: readonly string[];
  /**
   * Id of the sealed hibernation image with its state, from the seal until it is consumed; otherwise empty.
   */
  readonly image: string;
  /** Why the device is out of use, if no transition says so: its card is lost, or did not wake. */
  readonly error: { readonly reason: ErrorReason; readonly message: string } | undefined;
  /** The failpoint at which it has stood longest by PAUSE; empty if it does not stand. */
  readonly pausedAt: string;
  readonly etag: string;
}

/** STOLEN belongs to the device itself: pinned for life, never walked, lost with the power. */
export type RegionKind = "LOCAL" | "SYSTEM" | "STOLEN";

export interface RegionResource {
  readonly id: string;
  readonly kind: RegionKind;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly availableBytes: number;
  readonly pinnedBytes: number;
  /** Bytes that the CPU can reach (small BAR); the whole size if there is no window. */
  readonly visibleBytes: number;
  readonly visibleAvailableBytes: number;
  readonly largestFreeBytes: number;
  /** Used bytes whose content is here now: 0 after a loss of power, until a resume has ended. */
  readonly heldBytes: number;
  /** Bytes that backups take here; 0 on an ACTIVE device. */
  readonly backupBytes: number;
  readonly pinnedObjectCount: number;
  /** Objects whose bytes are here, including device-owned ones and backups. */
  readonly objectCount: number;
  readonly minPageBytes: number;
}

/**
 * The flags that a caller may set at creation, plus USER and KERNEL, which the device sets (drm/i915
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

/** A client's advice about an object's content: keep it, or purge it when memory is needed. */
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
  /** The region that holds its bytes; empty if there are none. */
  readonly region: string;
  readonly state: BackingState;
  readonly extents: readonly Extent[];
  readonly pinCount: number;
  readonly active: boolean;
  readonly evictable: boolean;
  readonly hasBackup: boolean;
  readonly madvise: Advice;
  readonly createTimeNs: bigint;
  /** Changes whenever placement, pins, state or backup change, but not with the content. */
  readonly etag: string;
}

/**
 * The phases of suspend and resume in order, then those of a restore from a snapshot, also used as metric
 * labels. A suspend writes `image`; a resume reads it.
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
  "discard",
  "rebuild",
  "content",
  "release",
  "recover",
] as const;
export type PhaseName = (typeof PHASES)[number];

/** Legal names of engines: the kind, and the number within the kind. */
export const ENGINE_NAME = /^(?:rcs|ccs|bcs|vcs)[0-9]$/;

export type EngineKind = "RENDER" | "COMPUTE" | "COPY" | "VIDEO";
/** FAULTED: stopped until a reset. HALTED: without power, or given up. */
export type EngineState = "IDLE" | "RUNNING" | "FAULTED" | "HALTED";

/** The work of an engine at the time it had to be reset. */
export interface HangCapture {
  readonly timeNs: bigint;
  readonly why: string;
  /** Context that owns the work; empty for the device's own. */
  readonly context: string;
  readonly fence: string;
  /** Offset in the context's ring of the command that did not end. Unit: bytes. */
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
  /** Sixteen 64-bit registers as last saved; empty before the first use. */
  readonly registers: readonly bigint[];
  /** The device's own objects that hold image and ring. */
  readonly image: string;
  readonly ring: string;
  /** Requests that are waiting or running. */
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

/** Memory taken by the objects with one label. Bytes are the sizes of objects. */
export interface UsageResource {
  readonly label: string;
  readonly objects: number;
  /** In local memory. */
  readonly localBytes: number;
  /** In system memory: evicted to it or placed there directly. */
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
  /** Objects whose content was deliberately given up (pinned PM_VOLATILE). */
  readonly skippedVolatile: number;
  /** From the end of the phase before. Undefined without a profile of power. */
  readonly energyFemtojoules?: bigint | undefined;
}

export interface PlanShare {
  readonly objects: number;
  readonly bytes: number;
}

export interface PlanBlocker {
  readonly reason: ErrorReason;
  readonly message: string;
}

/** The effects of a suspend that would begin now. */
export interface SuspendPlan {
  readonly feasible: boolean;
  readonly blockers: readonly PlanBlocker[];
  readonly evict: PlanShare;
  readonly backupBlit: PlanShare;
  readonly backupMemcpy: PlanShare;
  /** Deliberately given up: pinned PM_VOLATILE objects, and those advised DONT_NEED. */
  readonly discard: PlanShare;
  readonly systemMemoryRequiredBytes: number;
  readonly systemMemoryAvailableBytes: number;
  /** The largest size that a hibernation image could have in its store now. */
  readonly imageBytesMax: number;
  /** How long it takes at least and at most, by its brakes and by the times of this device's own suspends. */
  readonly durationMinNs: bigint;
  readonly durationMaxNs: bigint;
  /** The kinds of work that no suspend of this device has measured yet, so that their times are guesses. */
  readonly unmeasured: readonly string[];
}

/**
 * The runtime kinds belong to runtime PM; powerState stays ACTIVE during them. RESTORE goes back to a
 * snapshot.
 */
export type TransitionKind = "SUSPEND" | "RESUME" | "RUNTIME_SUSPEND" | "RUNTIME_RESUME" | "RESTORE";
export type TransitionState = "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

export interface TransitionResource {
  readonly id: string;
  readonly kind: TransitionKind;
  /** Undefined for runtime PM. */
  readonly sleepState: SleepState | undefined;
  /** The target: D3HOT keeps local memory, D3COLD loses it, D0 is awake. */
  readonly dState: DState;
  readonly state: TransitionState;
  /** Set in the answer if the device was already in the requested state, so that nothing ran. */
  readonly alreadyInState: boolean;
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint | undefined;
  readonly phases: readonly PhaseRecord[];
  /** The sum of its phases. Undefined without a profile of power, and when it was only validated. */
  readonly energyFemtojoules?: bigint | undefined;
  readonly evictedObjects: number;
  readonly evictedBytes: number;
  readonly backupObjects: number;
  readonly backupBytes: number;
  readonly restoredObjects: number;
  readonly restoredBytes: number;
  /** Whether the GT had been declared wedged by the end of the transition. */
  readonly wedged: boolean;
  /** Whether a failure or cancel was undone: ACTIVE, or asleep as before, with every byte. */
  readonly recovered: boolean;
  readonly error: { readonly reason: ErrorReason; readonly message: string } | undefined;
}

/** The settings and current state of a device's runtime PM. */
export interface RuntimePmResource {
  readonly enabled: boolean;
  /** How long the device must be unused before it suspends itself. */
  readonly autosuspendDelayMs: number;
  /** D3cold is entered if less local memory than this is in use, else D3hot. 0 means never D3cold. */
  readonly d3coldThresholdBytes: number;
  /** Whether D3cold compares a checksum of every object after the device has woken. */
  readonly verify: boolean;
  /** ERROR: it sleeps, and the last attempt to wake it failed (runtime_status "error" of Linux). */
  readonly status: "ACTIVE" | "SUSPENDING" | "SUSPENDED" | "RESUMING" | "ERROR";
  /** The number of things that keep the device awake: calls in progress, and 1 for work on the engines. */
  readonly usageCount: number;
  /** Time spent runtime-suspended since boot. */
  readonly suspendedNs: bigint;
  readonly suspends: number;
}

/** A difference between the device in an image and the device that should resume from it. */
export interface ImageDifference {
  /** A rule of power/image/compatibility.ts, for `allowDifferences`. */
  readonly rule: string;
  readonly message: string;
  /** Whether a caller may accept it. Otherwise something would be lost. */
  readonly safe: boolean;
}

/** A snapshot: a device as it was, to which devices can be restored any number of times. */
export interface SnapshotResource {
  readonly id: string;
  /** Name, uid and generation of the device when it was taken. */
  readonly device: string;
  readonly deviceUid: string;
  readonly generation: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly createTimeNs: bigint;
  /** Objects of clients. */
  readonly objects: number;
  readonly contexts: number;
  /** Bytes of the objects whose content it holds. */
  readonly contentBytes: number;
  /** How many of these were copied for it. It shares the others with earlier snapshots. */
  readonly copiedBytes: number;
  /** What it added to the memory of snapshots: these bytes and its records. */
  readonly memoryBytes: number;
}

/** The power of the card as a whole: awake, between `power_on` and `engine_start`, asleep, without power. */
export const CARD_STATES = ["D0", "BOOT", "D3HOT", "D3COLD", "OFF"] as const;
export type CardState = (typeof CARD_STATES)[number];

/** Bytes by path: reads and writes of local memory; over the link, out of the card and into it. */
export interface MovedBytes {
  readonly lmemRead: bigint;
  readonly lmemWrite: bigint;
  readonly linkOut: bigint;
  readonly linkIn: bigint;
}

/** All that the energy is computed from, at one moment, and the energy. */
export interface EnergyReading {
  readonly profile: string;
  readonly state: CardState;
  readonly energyFemtojoules: bigint;
  /** Of the state and of the engines that are busy; bytes have no moment, and are in the energy only. */
  readonly powerMicrowatts: bigint;
  readonly stateNs: Readonly<Record<CardState, bigint>>;
  /** By name. Nanoseconds. */
  readonly engineNs: ReadonlyMap<string, bigint>;
  readonly moved: MovedBytes;
}
