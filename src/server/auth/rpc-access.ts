/**
 * The role that each RPC needs on either wire, and whether it changes something. The table is closed: nobody
 * can call an RPC that is not in it, and a test compares the table with the descriptors.
 */
import assert from "node:assert/strict";
import type { DescMethod } from "@bufbuild/protobuf";
import { ResetDeviceRequest_Scope } from "../../contract/gen/torpor/v1/device.ts";
import { REGISTRY } from "../../contract/registry.ts";
import type { Role } from "../config/role.ts";

interface RpcAccess {
  /** The lowest role that may call it; undefined if anybody may, authenticated or not. */
  readonly role: Role | undefined;
  /** Whether each call gets a line in the audit log. */
  readonly changes: boolean;
}

/** Health, for machines without credentials. */
const OPEN: RpcAccess = { role: undefined, changes: false };
/** What the device shows about itself. */
const READ: RpcAccess = { role: "viewer", changes: false };
/**
 * The contents of objects, and whatever reveals them. They belong to the workload, not to whoever watches the
 * machine.
 */
const CONTENT: RpcAccess = { role: "operator", changes: false };
/** Everything that a workload or its operator does with a device. */
const CHANGE: RpcAccess = { role: "operator", changes: true };
/** Calls that destroy the work of others, or the daemon. */
const ADMIN: RpcAccess = { role: "admin", changes: true };

/** By full name, in the order of the protos. */
export const RPC_ACCESS: Readonly<Record<string, RpcAccess>> = {
  "torpor.v1.DeviceService/ListDevices": READ,
  "torpor.v1.DeviceService/GetDevice": READ,
  "torpor.v1.DeviceService/ResetDevice": CHANGE, // and more for FACTORY, see below
  "torpor.v1.DeviceService/WatchEvents": READ,
  "torpor.v1.EngineService/ListEngines": READ,
  "torpor.v1.EngineService/GetEngine": READ,
  "torpor.v1.EngineService/ResetEngine": CHANGE,
  "torpor.v1.EngineService/CreateContext": CHANGE,
  "torpor.v1.EngineService/GetContext": READ,
  "torpor.v1.EngineService/ListContexts": READ,
  "torpor.v1.EngineService/DeleteContext": CHANGE,
  "torpor.v1.EngineService/SubmitWork": CHANGE,
  "torpor.v1.EngineService/GetFence": READ,
  "torpor.v1.EngineService/WaitFence": READ,
  "torpor.v1.FaultService/ListFailpoints": READ,
  "torpor.v1.FaultService/ArmFailpoint": ADMIN,
  "torpor.v1.FaultService/DisarmFailpoint": ADMIN,
  "torpor.v1.FaultService/ResetFailpoints": ADMIN,
  "torpor.v1.MemoryService/ListRegions": READ,
  "torpor.v1.MemoryService/GetRegion": READ,
  "torpor.v1.MemoryService/EvictRegion": CHANGE,
  "torpor.v1.MemoryService/CreateObject": CHANGE,
  "torpor.v1.MemoryService/GetObject": READ,
  "torpor.v1.MemoryService/ListObjects": READ,
  "torpor.v1.MemoryService/DeleteObject": CHANGE,
  "torpor.v1.MemoryService/PinObject": CHANGE,
  "torpor.v1.MemoryService/UnpinObject": CHANGE,
  "torpor.v1.MemoryService/MoveObject": CHANGE,
  "torpor.v1.MemoryService/AdviseObject": CHANGE,
  "torpor.v1.MemoryService/BatchCreateObjects": CHANGE,
  "torpor.v1.MemoryService/BatchPinObjects": CHANGE,
  "torpor.v1.MemoryService/BatchUnpinObjects": CHANGE,
  "torpor.v1.MemoryService/BatchDeleteObjects": CHANGE,
  "torpor.v1.MemoryService/GetUsage": READ,
  "torpor.v1.MemoryService/ChecksumObject": CONTENT,
  "torpor.v1.MemoryService/ReadObject": CONTENT,
  "torpor.v1.MemoryService/WriteObject": CHANGE,
  "torpor.v1.PowerService/PlanSuspend": READ,
  "torpor.v1.PowerService/Suspend": CHANGE,
  "torpor.v1.PowerService/Resume": CHANGE,
  "torpor.v1.PowerService/GetTransition": READ,
  "torpor.v1.PowerService/ListTransitions": READ,
  "torpor.v1.PowerService/CancelTransition": CHANGE,
  "torpor.v1.PowerService/GetTransitionTrace": READ,
  "torpor.v1.PowerService/GetRuntimePm": READ,
  "torpor.v1.PowerService/UpdateRuntimePm": CHANGE,
  "torpor.v1.PowerService/ListImages": READ,
  "torpor.v1.PowerService/GetImage": READ,
  "torpor.v1.PowerService/DeleteImage": ADMIN,
  "torpor.v1.SnapshotService/SnapshotDevice": CHANGE,
  "torpor.v1.SnapshotService/GetSnapshot": READ,
  "torpor.v1.SnapshotService/ListSnapshots": READ,
  "torpor.v1.SnapshotService/DeleteSnapshot": CHANGE,
  "torpor.v1.SnapshotService/RestoreDevice": CHANGE,
  "grpc.health.v1.Health/Check": OPEN,
  "grpc.health.v1.Health/List": OPEN,
  "grpc.health.v1.Health/Watch": OPEN,
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": READ,
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": READ,
};

/**
 * RPCs that end what others wait for: a transition, hung work, a device that sleeps. They get through when
 * the daemon is full or slow, because they are the way out.
 */
const RELIEF: ReadonlySet<string> = new Set([
  "torpor.v1.DeviceService/ResetDevice",
  "torpor.v1.EngineService/ResetEngine",
  "torpor.v1.FaultService/ResetFailpoints",
  "torpor.v1.PowerService/CancelTransition",
  "torpor.v1.PowerService/Resume",
]);

/** Everything that the gate knows about an RPC. */
export interface Rpc extends RpcAccess {
  /** `torpor.v1.PowerService/Suspend`. */
  readonly name: string;
  readonly method: DescMethod;
  readonly relieves: boolean;
}

const RPCS: ReadonlyMap<string, Rpc> = new Map(
  [...REGISTRY]
    .flatMap((desc) => (desc.kind === "service" ? desc.methods : []))
    .flatMap((method) => {
      const name = `${method.parent.typeName}/${method.name}`;
      const access = RPC_ACCESS[name];
      return access === undefined ? [] : [[name, { name, method, ...access, relieves: RELIEF.has(name) }]];
    }),
);

/** Asserts that the table contains it. @param name `torpor.v1.PowerService/Suspend` */
export function requireRpc(name: string): Rpc {
  const rpc = RPCS.get(name);
  assert(rpc !== undefined, `${name} needs a row in RPC_ACCESS (src/server/auth/rpc-access.ts)`);
  return rpc;
}

/**
 * The role that a request needs beyond that of its RPC; undefined if none.
 * @param request a message of the RPC's type
 */
export function roleOfRequest({ name }: Rpc, request: object): Role | undefined {
  if (name !== "torpor.v1.DeviceService/ResetDevice") return undefined;
  // It deletes everybody's objects.
  return "scope" in request && request.scope === ResetDeviceRequest_Scope.FACTORY ? "admin" : undefined;
}
