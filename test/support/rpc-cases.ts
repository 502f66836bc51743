/**
 * One good request for every RPC, and what becomes of it in each power state. The table is closed: a test compares it with the
 * descriptors, so that a method without a row is found.
 */
import type { JsonObject } from "@bufbuild/protobuf";

const DEVICE = "devices/card0";

/** What a device has for the requests to name. */
export interface Named {
  /** Unpinned, with content, in local memory. */
  readonly object: string;
  readonly pinned: string;
  /** Idle. */
  readonly context: string;
  /** Signalled. */
  readonly fence: string;
  /** Ended. */
  readonly transition: string;
}

/** What a call is answered: "OK", or the reason of its refusal. */
export type Answered = string;

interface PowerAnswers {
  /** While a suspend runs. */
  readonly running: Answered;
  /** While the device is suspended to S3. */
  readonly suspended: Answered;
}

export interface RpcCase {
  readonly request: (named: Named) => JsonObject;
  /**
   * "free" is answered in every state, and waits for nothing and wakes nobody; "access" needs an ACTIVE device, can be held and
   * wakes one that has suspended itself; the others say what they are answered.
   */
  readonly answers: "free" | "access" | PowerAnswers;
}

type Request = JsonObject | ((named: Named) => JsonObject);

function row(answers: RpcCase["answers"], request: Request): RpcCase {
  return { answers, request: typeof request === "function" ? request : () => request };
}

const free = (request: Request): RpcCase => row("free", request);
const access = (request: Request): RpcCase => row("access", request);
const power = (running: Answered, suspended: Answered, request: Request): RpcCase =>
  row({ running, suspended }, request);

const ofDevice = { name: DEVICE };
const under = { parent: DEVICE };
const ofObject = ({ object }: Named): JsonObject => ({ name: object });
const FAILPOINT = { name: "failpoints/evict.before" };

/** By the full name of the RPC, in the order of the protos. */
export const RPC_CASES: Readonly<Record<string, RpcCase>> = {
  "torpor.v1.DeviceService/ListDevices": free({}),
  "torpor.v1.DeviceService/GetDevice": free(ofDevice),
  "torpor.v1.DeviceService/ResetDevice": power("TRANSITION_IN_PROGRESS", "DEVICE_SUSPENDED", ofDevice),
  "torpor.v1.DeviceService/WatchEvents": free({ device: DEVICE }),
  "torpor.v1.EngineService/ListEngines": free(under),
  "torpor.v1.EngineService/GetEngine": free({ name: `${DEVICE}/engines/bcs0` }),
  "torpor.v1.EngineService/ResetEngine": access({ name: `${DEVICE}/engines/bcs0` }),
  "torpor.v1.EngineService/CreateContext": access({ ...under, engine: "bcs0" }),
  "torpor.v1.EngineService/GetContext": free(({ context }) => ({ name: context })),
  "torpor.v1.EngineService/ListContexts": free(under),
  "torpor.v1.EngineService/DeleteContext": access(({ context }) => ({ name: context })),
  "torpor.v1.EngineService/SubmitWork": access(({ context, object }) => ({
    name: context,
    commands: [{ fill: { object, length: "4096", pattern: 7 } }],
  })),
  "torpor.v1.EngineService/GetFence": free(({ fence }) => ({ name: fence })),
  "torpor.v1.EngineService/WaitFence": free(({ fence }) => ({ name: fence, timeout: "1s" })),
  "torpor.v1.FaultService/ListFailpoints": free({}),
  "torpor.v1.FaultService/ArmFailpoint": free({ ...FAILPOINT, action: "ERROR" }),
  "torpor.v1.FaultService/DisarmFailpoint": free(FAILPOINT),
  "torpor.v1.FaultService/ResetFailpoints": free({}),
  "torpor.v1.MemoryService/ListRegions": free(under),
  "torpor.v1.MemoryService/GetRegion": free({ name: `${DEVICE}/regions/lmem0` }),
  "torpor.v1.MemoryService/EvictRegion": access({ name: `${DEVICE}/regions/lmem0` }),
  "torpor.v1.MemoryService/CreateObject": access({ ...under, size: "4096" }),
  "torpor.v1.MemoryService/GetObject": free(ofObject),
  "torpor.v1.MemoryService/ListObjects": free(under),
  "torpor.v1.MemoryService/DeleteObject": access(ofObject),
  "torpor.v1.MemoryService/PinObject": access(ofObject),
  "torpor.v1.MemoryService/UnpinObject": access(({ pinned }) => ({ name: pinned })),
  "torpor.v1.MemoryService/MoveObject": access(({ object }) => ({ name: object, region: "smem" })),
  "torpor.v1.MemoryService/AdviseObject": access(({ object }) => ({ name: object, advice: "DONT_NEED" })),
  "torpor.v1.MemoryService/BatchCreateObjects": access({ ...under, template: { size: "4096" }, count: 2 }),
  "torpor.v1.MemoryService/BatchPinObjects": access(({ object }) => ({ ...under, names: [object] })),
  "torpor.v1.MemoryService/BatchUnpinObjects": access(({ pinned }) => ({ ...under, names: [pinned] })),
  "torpor.v1.MemoryService/BatchDeleteObjects": access(({ object }) => ({ ...under, names: [object] })),
  "torpor.v1.MemoryService/GetUsage": free({ name: `${DEVICE}/usage` }),
  "torpor.v1.MemoryService/ChecksumObject": access(ofObject),
  "torpor.v1.MemoryService/ReadObject": access(ofObject),
  "torpor.v1.MemoryService/WriteObject": access(ofObject),
  "torpor.v1.PowerService/PlanSuspend": power("TRANSITION_IN_PROGRESS", "OK", ofDevice),
  // Suspended to the same state: the transition that led there.
  "torpor.v1.PowerService/Suspend": power("TRANSITION_IN_PROGRESS", "OK", ofDevice),
  "torpor.v1.PowerService/Resume": power("TRANSITION_IN_PROGRESS", "OK", { ...ofDevice, validateOnly: true }),
  "torpor.v1.PowerService/GetTransition": free(({ transition }) => ({ name: transition })),
  "torpor.v1.PowerService/ListTransitions": free(under),
  // Of one that has ended: cancelling the one that runs is how the tests end it.
  "torpor.v1.PowerService/CancelTransition": power(
    "TRANSITION_NOT_CANCELLABLE",
    "TRANSITION_NOT_CANCELLABLE",
    ({ transition }) => ({ name: transition }),
  ),
  "torpor.v1.PowerService/GetTransitionTrace": free(({ transition }) => ({ name: transition })),
  "torpor.v1.PowerService/GetRuntimePm": free({ name: `${DEVICE}/runtimePm` }),
  "torpor.v1.PowerService/UpdateRuntimePm": free({
    runtimePm: { name: `${DEVICE}/runtimePm`, d3coldThreshold: "4096" },
  }),
  "torpor.v1.PowerService/ListImages": free({}),
  "torpor.v1.PowerService/GetImage": free({ name: "images/card0-a" }),
  "torpor.v1.PowerService/DeleteImage": free({ name: "images/card0-b" }),
  "torpor.v1.SnapshotService/SnapshotDevice": power("TRANSITION_IN_PROGRESS", "DEVICE_SUSPENDED", ofDevice),
  "torpor.v1.SnapshotService/GetSnapshot": free({ name: "snapshots/one" }),
  "torpor.v1.SnapshotService/ListSnapshots": free({}),
  "torpor.v1.SnapshotService/DeleteSnapshot": free({ name: "snapshots/other" }),
  "torpor.v1.SnapshotService/RestoreDevice": power("TRANSITION_IN_PROGRESS", "DEVICE_SUSPENDED", {
    ...ofDevice,
    snapshot: "one",
  }),
};
