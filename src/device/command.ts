/**
 * Everything that a client may ask of a device, with the answer to each command and the states in which it is
 * legal. Every wire decodes into these commands, and nothing else reaches the device.
 */

import type {
  CancelTransition,
  GetPower,
  GetRuntimePm,
  GetTransition,
  GetTransitionTrace,
  ListTransitions,
  PlanSuspend,
  RestoreSnapshot,
  Resume,
  Suspend,
  TakeSnapshot,
  UpdateRuntimePm,
} from "./power-command.ts";
import type {
  Advice,
  ContextPriority,
  ContextResource,
  DeviceResource,
  EnergyReading,
  EngineResource,
  FenceResource,
  ObjectFlag,
  ObjectResource,
  RegionResource,
  RuntimePmResource,
  SnapshotResource,
  SuspendPlan,
  TransitionResource,
  UsageResource,
} from "./resource.ts";
import type { WorkCommand } from "./work-command.ts";

export type * from "./power-command.ts";

/**
 * What to do during a running transition: refuse (DEVICE_TRANSITION); hold, and run once when the device is
 * ACTIVE; or, for the later chunks of an open content stream, hold through a whole suspend too.
 * HOLD_TIMEOUT_MS limits the wait.
 */
export type Hold = "refuse" | "transition" | "until-active";

export interface Holdable {
  /** @default "refuse" */
  readonly hold?: Hold;
  /** The caller, if callers are told apart. Each has a share of the places for held commands. */
  readonly caller?: string | undefined;
  /**
   * Aborted when nobody waits for the answer any more. A command that has not begun by then never begins
   * (CALL_CANCELLED).
   */
  readonly signal?: AbortSignal | undefined;
}

/** A precondition (AIP-154): the object is still as the caller last saw it. */
interface Conditional {
  /**
   * The etag that the object must have, or several separated by commas, compared under its lock; undefined
   * matches any. Error: ETAG_MISMATCH.
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
  /** Evicts at least this much, if possible; undefined for everything evictable. */
  readonly bytes?: number;
}
/**
 * Makes an object. Its bytes get memory on first use. Errors: INVALID_SIZE, INVALID_REGION, INVALID_FLAGS,
 * LIMIT_EXCEEDED.
 */
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
/**
 * Objects in ascending order of id after `afterId`, at most `limit`. Includes device-owned ones only on
 * request.
 */
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
/** Makes the object resident in `region` (or its first region) and fixes its extents. Pins are counted. */
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
/** Whether the client still needs the content. The answer says whether the content is still there. */
export interface AdviseObject extends Holdable, Conditional {
  readonly type: "adviseObject";
  readonly object: string;
  readonly advice: Advice;
}
/** Makes up to BATCH_OBJECTS_MAX objects like `template`, all or none. Returns their ids. */
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
/** The memory that clients' objects take, by label. */
export interface GetUsage {
  readonly type: "getUsage";
}
export interface ChecksumObject extends Holdable {
  readonly type: "checksumObject";
  readonly object: string;
}
/**
 * Reads one chunk of content, at most CONTENT_CHUNK_BYTES_MAX. The answer is a copy. A reader that already
 * has memory of exactly that length passes it as `into`.
 */
export interface ReadObject extends Holdable {
  readonly type: "readObject";
  readonly object: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly into?: Uint8Array;
}
/**
 * Writes one chunk of content. The first chunk of a stream may be empty. It says in `declaredBytes` how much
 * will follow, so that content that cannot fit is refused before the first byte.
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
/** Resets one engine: its current work fails, and everything behind that runs again. */
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
 * Submits a request. All its commands are checked first, and the whole request is refused if one is invalid.
 * It runs after the earlier requests in its context, after `waitFences`, and after requests that use its
 * objects in a conflicting way.
 */
export interface SubmitWork extends Holdable {
  readonly type: "submitWork";
  readonly context: string;
  readonly commands: readonly WorkCommand[];
  /** Ids of fences. If one of them fails, this request fails too. */
  readonly waitFences: readonly string[];
  /**
   * Returns when the request has ended, or after this time at the latest; undefined means at once. Unit:
   * milliseconds.
   */
  readonly waitMs?: number;
}
export interface GetFence {
  readonly type: "getFence";
  readonly fence: string;
}
/**
 * Waits for a fence. Errors: FENCE_NOT_FOUND; DEADLINE_EXCEEDED if it is still pending after `timeoutMs`;
 * CALL_CANCELLED if it is pending when nobody waits any more.
 */
export interface WaitFence {
  readonly type: "waitFence";
  readonly fence: string;
  readonly timeoutMs: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}
/**
 * GT: a full reset. Running work fails, and wedged is cleared. FACTORY: drops objects, contexts, backups and
 * FAILED. It leaves a clean device, whatever its state was.
 */
export interface ResetDevice {
  readonly type: "resetDevice";
  readonly scope: "GT" | "FACTORY";
}
/**
 * When a command is legal. `metadata`: always; it never waits and never wakes. `access`: needs an ACTIVE
 * device; see Hold. `power`: starts or ends a transition, as the power state machine decides.
 */
export type Access = "metadata" | "access" | "power";

/** One command: when it is legal and, only in its types, its parameters and answer. */
interface Entry<Request, Result> {
  readonly access: Access;
  readonly types?: { readonly request: Request; readonly result: Result };
}

function entry<Request, Result>(access: Access): Entry<Request, Result> {
  return { access };
}

/** Every command of the device by name. The union of commands and their answers follow from this map. */
export const COMMANDS = {
  getDevice: entry<GetDevice, DeviceResource>("metadata"),
  listRegions: entry<ListRegions, readonly RegionResource[]>("metadata"),
  getRegion: entry<GetRegion, RegionResource>("metadata"),
  evictRegion: entry<EvictRegion, { readonly objects: number; readonly bytes: number }>("access"),
  createObject: entry<CreateObject, ObjectResource>("access"),
  getObject: entry<GetObject, ObjectResource>("metadata"),
  listObjects: entry<
    ListObjects,
    { readonly objects: readonly ObjectResource[]; readonly nextAfterId: string }
  >("metadata"),
  deleteObject: entry<DeleteObject, undefined>("access"),
  pinObject: entry<PinObject, ObjectResource>("access"),
  unpinObject: entry<UnpinObject, ObjectResource>("access"),
  moveObject: entry<MoveObject, ObjectResource>("access"),
  adviseObject: entry<AdviseObject, { readonly retained: boolean }>("access"),
  batchCreateObjects: entry<BatchCreateObjects, { readonly objects: readonly string[] }>("access"),
  batchPinObjects: entry<BatchPinObjects, undefined>("access"),
  batchUnpinObjects: entry<BatchUnpinObjects, undefined>("access"),
  batchDeleteObjects: entry<BatchDeleteObjects, undefined>("access"),
  getUsage: entry<GetUsage, readonly UsageResource[]>("metadata"),
  listEngines: entry<ListEngines, readonly EngineResource[]>("metadata"),
  getEngine: entry<GetEngine, EngineResource>("metadata"),
  resetEngine: entry<ResetEngine, EngineResource>("access"),
  createContext: entry<CreateContext, ContextResource>("access"),
  getContext: entry<GetContext, ContextResource>("metadata"),
  listContexts: entry<
    ListContexts,
    { readonly contexts: readonly ContextResource[]; readonly nextAfterId: string }
  >("metadata"),
  deleteContext: entry<DeleteContext, undefined>("access"),
  submitWork: entry<SubmitWork, FenceResource>("access"),
  getFence: entry<GetFence, FenceResource>("metadata"),
  waitFence: entry<WaitFence, FenceResource>("metadata"),
  resetDevice: entry<ResetDevice, DeviceResource>("power"),
  checksumObject: entry<
    ChecksumObject,
    { readonly crc32c: number; readonly sha256Hex: string; readonly sizeBytes: number }
  >("access"),
  readObject: entry<ReadObject, Uint8Array>("access"),
  writeObject: entry<WriteObject, { readonly bytesWritten: number }>("access"),
  planSuspend: entry<PlanSuspend, SuspendPlan>("power"),
  /** Rejects with the transition's error if it failed within the wait; `metadata.transition` names it. */
  suspend: entry<Suspend, TransitionResource>("power"),
  resume: entry<Resume, TransitionResource>("power"),
  takeSnapshot: entry<TakeSnapshot, SnapshotResource>("power"),
  /** Rejects like `suspend`. */
  restoreSnapshot: entry<RestoreSnapshot, TransitionResource>("power"),
  getTransition: entry<GetTransition, TransitionResource>("metadata"),
  listTransitions: entry<
    ListTransitions,
    { readonly transitions: readonly TransitionResource[]; readonly nextBeforeId: string }
  >("metadata"),
  cancelTransition: entry<CancelTransition, TransitionResource>("power"),
  getTransitionTrace: entry<GetTransitionTrace, Uint8Array>("metadata"),
  getPower: entry<GetPower, EnergyReading>("metadata"),
  getRuntimePm: entry<GetRuntimePm, RuntimePmResource>("metadata"),
  updateRuntimePm: entry<UpdateRuntimePm, RuntimePmResource>("metadata"),
};

type Commands = typeof COMMANDS;
export type CommandType = keyof Commands;
/**
 * The parameters of the commands with these names. The mapped type lets TypeScript match a command with its
 * handler.
 */
export type CommandOf<T extends CommandType> = {
  [Name in T]: NonNullable<Commands[Name]["types"]>["request"] & { readonly type: Name };
}[T];
export type Command = CommandOf<CommandType>;
export type Results = {
  readonly [Name in CommandType]: NonNullable<Commands[Name]["types"]>["result"];
};
