/**
 * FaultService, for both wires. Failpoints belong to the daemon and not to a device, so no handler here
 * executes a command.
 */

import type { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import {
  type ArmFailpointRequest,
  type DisarmFailpointRequest,
  type Failpoint,
  Failpoint_Action,
  type ListFailpointsRequest,
  type ListFailpointsResponse,
  type ResetFailpointsRequest,
} from "../../contract/gen/torpor/v1/fault.ts";
import { type ErrorReason, REASONS } from "../../device/errors.ts";
import {
  type FailpointArming,
  type FailpointName,
  type Failpoints,
  type FailpointView,
  isFailpointName,
} from "../../device/failpoints.ts";
import { toDuration, toInt64, toMs } from "../messages/convert.ts";
import { failpointActionOf } from "../messages/decode-enums.ts";
import {
  deviceName,
  failpointName,
  parseDeviceName,
  parseFailpointName,
} from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";

const NS_PER_MS = 1_000_000;

export function faultHandlers(devices: DeviceRegistry) {
  return {
    async listFailpoints(_request: ListFailpointsRequest): Promise<ListFailpointsResponse> {
      return { failpoints: requireFailpoints(devices).list().map(encodeFailpoint) };
    },

    async armFailpoint(request: ArmFailpointRequest): Promise<Failpoint> {
      const failpoints = requireFailpoints(devices);
      const name = readName(request.name);
      return encodeFailpoint(failpoints.arm(name, readArming(devices, request)));
    },

    async disarmFailpoint(request: DisarmFailpointRequest): Promise<Failpoint> {
      const failpoints = requireFailpoints(devices);
      const name = readName(request.name);
      failpoints.disarm(name);
      return encodeFailpoint(failpoints.get(name));
    },

    async resetFailpoints(_request: ResetFailpointsRequest): Promise<Empty> {
      requireFailpoints(devices).reset();
      return {};
    },
  };
}

/** Disarms the failpoints that are armed for this device alone. */
export function disarmDevice(failpoints: Failpoints, device: string): void {
  for (const { name, arming } of failpoints.list()) {
    if (arming?.device === device) failpoints.disarm(name);
  }
}

/** @throws WireError FAULTS_DISABLED */
function requireFailpoints({ failpoints }: DeviceRegistry): Failpoints {
  if (failpoints !== undefined) return failpoints;
  throw new WireError("FAULTS_DISABLED", "This daemon runs without --enable-faults: it has no failpoints.");
}

/** @throws WireError INVALID_REQUEST, FAILPOINT_NOT_FOUND */
function readName(resource: string): FailpointName {
  const name = parseFailpointName(resource);
  if (isFailpointName(name)) return name;
  throw new WireError("FAILPOINT_NOT_FOUND", `There is no failpoint ${name}.`, { failpoint: name });
}

/** Checks what the device does not know. The failpoint itself checks the numbers. */
function readArming(devices: DeviceRegistry, request: ArmFailpointRequest): FailpointArming {
  const action = failpointActionOf(request.action);
  const delayMs = toMs(request.delay, "delay");
  if (action === "DELAY" && delayMs === undefined) {
    throw new WireError("INVALID_REQUEST", "The request says DELAY, but not how long.", { field: "delay" });
  }
  return {
    action,
    device: readDevice(devices, request.device),
    reason: readReason(request.reason),
    delayMs: delayMs ?? 0,
    probability: request.probability ?? 1,
    count: request.count,
    after: request.after,
    seed: request.seed,
  };
}

/**
 * The id of a device, from its resource name or bare id; empty stays empty.
 * @throws WireError DEVICE_NOT_FOUND
 */
function readDevice(devices: DeviceRegistry, device: string): string {
  if (device === "") return "";
  return requireDevice(devices, device.includes("/") ? parseDeviceName(device) : device).name;
}

/** @throws WireError INVALID_REQUEST */
function readReason(reason: string): ErrorReason {
  if (reason === "") return "COPY_FAILED";
  if (isErrorReason(reason)) return reason;
  throw new WireError("INVALID_REQUEST", `Reason "${reason}" is none that a device gives.`, {
    field: "reason",
  });
}

function isErrorReason(reason: string): reason is ErrorReason {
  return Object.hasOwn(REASONS, reason);
}

function encodeFailpoint({ name, description, arming, hits, left }: FailpointView): Failpoint {
  return {
    name: failpointName(name),
    description,
    action: arming === undefined ? Failpoint_Action.UNSPECIFIED : Failpoint_Action[arming.action],
    device: arming === undefined || arming.device === "" ? "" : deviceName(arming.device),
    reason: arming?.reason ?? "",
    delay: arming?.action === "DELAY" ? toDuration(BigInt(arming.delayMs * NS_PER_MS)) : undefined,
    probability: arming?.probability,
    count: arming?.count ?? 0,
    after: arming?.after ?? 0,
    seed: arming?.seed ?? 0,
    hits: toInt64(hits),
    remaining: left,
    spent: left === 0,
  };
}
