/**
 * The closed union of everything a client may ask of a device, what each answers, and when each is legal.
 * Every wire decodes into one of these, and nothing else reaches the device.
 */

import type {
  CancelTransition,
  GetRuntimePm,
  GetTransition,
  GetTransitionTrace,
  ListTransitions,
  PlanSuspend,
  Resume,
  Suspend,
  UpdateRuntimePm,
} from "./power-command.ts";
import type {
  Advice,
  ContextPriority,
  ContextResource,
  DeviceResource,
  EngineResource,
  FenceResource,
  ObjectFlag,
  ObjectResource,
  RegionResource,
  RuntimePmResource,
  SuspendPlan,
  TransitionResource,
  UsageResource,
} from "./resource.ts";
import type { WorkCommand } from "./work-command.ts";

export type * from "./power-command.ts";

/**
 * What to do when a transition is running: refuse (DEVICE_TRANSITION), hold and run once when the device is ACTIVE,
 * or, for the later chunks of an open content stream, hold through a whole suspend too. Holding is bounded by
 * HOLD_TIMEOUT_MS.
 */
export type Hold = "refuse" | "transition" | "until-active";

interface Holdable {
  /** @default "refuse" */
  readonly hold?: Hold;
  /** Aborted when nobody waits for the answer any more: what has not begun by then never does (CALL_CANCELLED). */
  readonly signal?: AbortSignal | undefined;
}

/** A precondition (AIP-154): the object is as the caller last saw it. */
interface Conditional {
  /**
   * The etag that the object must have, or several with commas between them, looked at under its lock; undefined means any.
   * Error: ETAG_MISMATCH.
   */
  readonly etag?: string;
}

export interface GetDevice {
  readonly type: "getDevice";
}
export interface ListRegions {
  readonly type: "listRegions";
}
export interface GetRegion {
  readonly type: "getRegion";
  readonly region: string;
}
/** Moves unpinned objects out of a local region: `bytes` of them, least recently used first, or all. */
export interface EvictRegion extends Holdable {
  readonly type: "evictRegion";
  readonly region: string;
  /** At least this much is evicted if it can be; undefined means everything evictable. */
  readonly bytes?: number;
}
/** Makes an object; its bytes get a place at first use. Errors: INVALID_SIZE, INVALID_REGION, INVALID_FLAGS, LIMIT_EXCEEDED. */
export interface CreateObject extends Holdable {
  readonly type: "createObject";
  readonly sizeBytes: number;
  /** Preferred first; empty means `[lmem0, smem]`. */
  readonly regions: readonly string[];
  readonly flags: readonly ObjectFlag[];
  /** A power of two, or 0 for the region's page. */
  readonly alignmentBytes: number;
  readonly label: string;
}
export interface GetObject {
  readonly type: "getObject";
  readonly object: string;
}
/** Objects by ascending id after `afterId`, at most `limit`; device-owned ones only when asked for. */
export interface ListObjects {
  readonly type: "listObjects";
  readonly afterId: string;
  readonly limit: number;
  readonly showDeviceOwned: boolean;
  readonly filter?: { readonly region?: string; readonly state?: string; readonly label?: string };
}
/** Errors: OBJECT_NOT_FOUND, OBJECT_PINNED. */
export interface DeleteObject extends Holdable, Conditional {
  readonly type: "deleteObject";
  readonly object: string;
}
/** Makes the object resident in `region` (or its first) and fixes its extents; counted. */
export interface PinObject extends Holdable, Conditional {
  readonly type: "pinObject";
  readonly object: string;
  readonly region?: string;
}
export interface UnpinObject extends Holdable, Conditional {
  readonly type: "unpinObject";
  readonly object: string;
}
export interface MoveObject extends Holdable, Conditional {
  readonly type: "moveObject";
  readonly object: string;
  readonly region: string;
}
/** What the client still needs of the content; the answer says whether it is still there. */
export interface AdviseObject extends Holdable, Conditional {
  readonly type: "adviseObject";
  readonly object: string;
  readonly advice: Advice;
}
/** Up to BATCH_OBJECTS_MAX objects like `template`, all or none. Answers their ids. */
export interface BatchCreateObjects extends Holdable {
  readonly type: "batchCreateObjects";
  readonly template: Omit<CreateObject, "type" | "hold">;
  readonly count: number;
}
export interface BatchPinObjects extends Holdable {
  readonly type: "batchPinObjects";
  readonly objects: readonly string[];
  readonly region?: string;
}
export interface BatchUnpinObjects extends Holdable {
  readonly type: "batchUnpinObjects";
  readonly objects: readonly string[];
}
export interface BatchDeleteObjects extends Holdable {
  readonly type: "batchDeleteObjects";
  readonly objects: readonly string[];
}
/** What clients' objects take, by label. */
export interface GetUsage {
  readonly type: "getUsage";
}
export interface ChecksumObject extends Holdable {
  readonly type: "checksumObject";
  readonly object: string;
}
/**
 * One chunk of content, at most CONTENT_CHUNK_BYTES_MAX. The answer is a copy: `into`, of exactly that length, where it is
 * given, for readers that have the memory already.
 */
export interface ReadObject extends Holdable {
  readonly type: "readObject";
  readonly object: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly into?: Uint8Array;
}
/**
 * One chunk of content. The first chunk of a stream (it may be empty) says in `declaredBytes` how much will follow,
 * so that what cannot fit is refused before the first byte.
 */
export interface WriteObject extends Holdable {
  readonly type: "writeObject";
  readonly object: string;
  readonly offsetBytes: number;
  readonly data: Uint8Array;
  readonly declaredBytes?: number;
}
export interface ListEngines {
  readonly type: "listEngines";
}
export interface GetEngine {
  readonly type: "getEngine";
  readonly engine: string;
}
/** Resets one engine: what it works on fails, everything behind it runs again. */
export interface ResetEngine {
  readonly type: "resetEngine";
  readonly engine: string;
}
/** Makes a context on an engine. Errors: ENGINE_NOT_FOUND, LIMIT_EXCEEDED, DEVICE_WEDGED. */
export interface CreateContext extends Holdable {
  readonly type: "createContext";
  readonly engine: string;
  readonly priority: ContextPriority;
}
export interface GetContext {
  readonly type: "getContext";
  readonly context: string;
}
/** Contexts by ascending id after `afterId`, at most `limit`. */
export interface ListContexts {
  readonly type: "listContexts";
  readonly afterId: string;
  readonly limit: number;
}
/** Errors: CONTEXT_NOT_FOUND, CONTEXT_ACTIVE. */
export interface DeleteContext extends Holdable {
  readonly type: "deleteContext";
  readonly context: string;
}
/**
 * Submits a request. All its commands are checked first, and refused whole if one is invalid. It runs after the
 * requests before it in its context, after `waitFences`, and after those that use its objects in its way.
 */
export interface SubmitWork extends Holdable {
  readonly type: "submitWork";
  readonly context: string;
  readonly commands: readonly WorkCommand[];
  /** Ids of fences; when one of them fails, so does this request. */
  readonly waitFences: readonly string[];
  /** Answer when the request has ended, after this long at the latest; undefined = at once. Unit: milliseconds. */
  readonly waitMs?: number;
}
export interface GetFence {
  readonly type: "getFence";
  readonly fence: string;
}
/**
 * Waits for a fence. Errors: FENCE_NOT_FOUND, DEADLINE_EXCEEDED when it is still pending after `timeoutMs`, CALL_CANCELLED when
 * it is and nobody waits any more.
 */
export interface WaitFence {
  readonly type: "waitFence";
  readonly fence: string;
  readonly timeoutMs: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}
/**
 * GT: a full reset; what runs fails, wedged is cleared. FACTORY: drops objects, contexts, backups and FAILED: a clean
 * device, whatever state it was in.
 */
export interface ResetDevice {
  readonly type: "resetDevice";
  readonly scope: "GT" | "FACTORY";
}
export type Command =
  | GetDevice
  | ListRegions
  | GetRegion
  | EvictRegion
  | CreateObject
  | GetObject
  | ListObjects
  | DeleteObject
  | PinObject
  | UnpinObject
  | MoveObject
  | AdviseObject
  | BatchCreateObjects
  | BatchPinObjects
  | BatchUnpinObjects
  | BatchDeleteObjects
  | GetUsage
  | ListEngines
  | GetEngine
  | ResetEngine
  | CreateContext
  | GetContext
  | ListContexts
  | DeleteContext
  | SubmitWork
  | GetFence
  | WaitFence
  | ResetDevice
  | ChecksumObject
  | ReadObject
  | WriteObject
  | PlanSuspend
  | Suspend
  | Resume
  | GetTransition
  | ListTransitions
  | CancelTransition
  | GetTransitionTrace
  | GetRuntimePm
  | UpdateRuntimePm;

export type CommandType = Command["type"];

export interface Results {
  getDevice: DeviceResource;
  listRegions: readonly RegionResource[];
  getRegion: RegionResource;
  evictRegion: { readonly objects: number; readonly bytes: number };
  createObject: ObjectResource;
  getObject: ObjectResource;
  listObjects: { readonly objects: readonly ObjectResource[]; readonly nextAfterId: string };
  deleteObject: undefined;
  pinObject: ObjectResource;
  unpinObject: ObjectResource;
  moveObject: ObjectResource;
  adviseObject: { readonly retained: boolean };
  batchCreateObjects: { readonly objects: readonly string[] };
  batchPinObjects: undefined;
  batchUnpinObjects: undefined;
  batchDeleteObjects: undefined;
  getUsage: readonly UsageResource[];
  listEngines: readonly EngineResource[];
  getEngine: EngineResource;
  resetEngine: EngineResource;
  createContext: ContextResource;
  getContext: ContextResource;
  listContexts: { readonly contexts: readonly ContextResource[]; readonly nextAfterId: string };
  deleteContext: undefined;
  submitWork: FenceResource;
  getFence: FenceResource;
  waitFence: FenceResource;
  resetDevice: DeviceResource;
  checksumObject: { readonly crc32c: number; readonly sha256Hex: string; readonly sizeBytes: number };
  readObject: Uint8Array;
  writeObject: { readonly bytesWritten: number };
  planSuspend: SuspendPlan;
  /** Rejects with the transition's error when it failed within the wait; `metadata.transition` names it. */
  suspend: TransitionResource;
  resume: TransitionResource;
  getTransition: TransitionResource;
  listTransitions: { readonly transitions: readonly TransitionResource[]; readonly nextBeforeId: string };
  cancelTransition: TransitionResource;
  getTransitionTrace: Uint8Array;
  getRuntimePm: RuntimePmResource;
  updateRuntimePm: RuntimePmResource;
}

export type CommandOf<T extends CommandType> = Extract<Command, { type: T }>;

/**
 * When a command is legal. `metadata`: always, never waits, never wakes. `access`: needs the device ACTIVE; see Hold.
 * `power`: starts or ends a transition; the power state machine decides.
 */
export type Access = "metadata" | "access" | "power";

export const ACCESS: Readonly<Record<CommandType, Access>> = {
  getDevice: "metadata",
  listRegions: "metadata",
  getRegion: "metadata",
  evictRegion: "access",
  createObject: "access",
  getObject: "metadata",
  listObjects: "metadata",
  deleteObject: "access",
  pinObject: "access",
  unpinObject: "access",
  moveObject: "access",
  adviseObject: "access",
  batchCreateObjects: "access",
  batchPinObjects: "access",
  batchUnpinObjects: "access",
  batchDeleteObjects: "access",
  getUsage: "metadata",
  listEngines: "metadata",
  getEngine: "metadata",
  resetEngine: "access",
  createContext: "access",
  getContext: "metadata",
  listContexts: "metadata",
  deleteContext: "access",
  submitWork: "access",
  getFence: "metadata",
  waitFence: "metadata",
  resetDevice: "power",
  checksumObject: "access",
  readObject: "access",
  writeObject: "access",
  planSuspend: "power",
  suspend: "power",
  resume: "power",
  getTransition: "metadata",
  listTransitions: "metadata",
  cancelTransition: "power",
  getTransitionTrace: "metadata",
  getRuntimePm: "metadata",
  updateRuntimePm: "metadata",
};
