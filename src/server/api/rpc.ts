/**
 * Every unary RPC as a function from message to message. Both wires call these functions: gRPC reads the
 * request from bytes, REST from JSON. So both can do exactly the same.
 */

import { HttpBody } from "../../contract/gen/google/api/httpbody.ts";
import { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import { Context } from "../../contract/gen/torpor/v1/context.ts";
import { DeviceServiceService, ListDevicesResponse } from "../../contract/gen/torpor/v1/device.ts";
import {
  Engine,
  EngineServiceService,
  ListContextsResponse,
  ListEnginesResponse,
} from "../../contract/gen/torpor/v1/engine.ts";
import {
  Failpoint,
  FaultServiceService,
  ListFailpointsResponse,
} from "../../contract/gen/torpor/v1/fault.ts";
import { Fence } from "../../contract/gen/torpor/v1/fence.ts";
import { Device } from "../../contract/gen/torpor/v1/gpu.ts";
import { Image } from "../../contract/gen/torpor/v1/image.ts";
import {
  AdviseObjectResponse,
  BatchCreateObjectsResponse,
  BatchPinObjectsResponse,
  BatchUnpinObjectsResponse,
  ChecksumObjectResponse,
  EvictRegionResponse,
  ListObjectsResponse,
  ListRegionsResponse,
  MemoryServiceService,
  Usage,
} from "../../contract/gen/torpor/v1/memory.ts";
import { Object as ObjectMessage } from "../../contract/gen/torpor/v1/object.ts";
import {
  ListImagesResponse,
  ListTransitionsResponse,
  PowerServiceService,
  SuspendPlan,
  Transition,
} from "../../contract/gen/torpor/v1/power.ts";
import { Region } from "../../contract/gen/torpor/v1/region.ts";
import { RuntimePm } from "../../contract/gen/torpor/v1/runtime_pm.ts";
import {
  ListSnapshotsResponse,
  Snapshot,
  SnapshotServiceService,
} from "../../contract/gen/torpor/v1/snapshot.ts";
import type { Client } from "../messages/hold.ts";
import { WrittenOnce } from "../messages/lasting.ts";
import { type MessageType, writeMessage } from "../messages/message-writer.ts";
import { WireError } from "../messages/wire-error.ts";
import { batchHandlers } from "./batch-handlers.ts";
import { deviceHandlers } from "./device-handlers.ts";
import type { DeviceRegistry } from "./devices.ts";
import { engineHandlers } from "./engine-handlers.ts";
import { faultHandlers } from "./fault-handlers.ts";
import type { RequestLedger } from "./idempotency.ts";
import { imageHandlers } from "./image-handlers.ts";
import { objectHandlers } from "./object-handlers.ts";
import { powerHandlers } from "./power-handlers.ts";
import { regionHandlers } from "./region-handlers.ts";
import { runtimePmHandlers } from "./runtime-pm-handlers.ts";
import { snapshotHandlers } from "./snapshot-handlers.ts";
import { usageHandlers } from "./usage-handlers.ts";
import { workHandlers } from "./work-handlers.ts";

/** Messages are plain objects, as ts-proto's code makes them. */
export interface UnaryRpc<Request extends object = object, Answer extends object = object> {
  /** `/torpor.v1.DeviceService/GetDevice`. */
  readonly path: string;
  /** @throws WireError INVALID_REQUEST if `bytes` are not a message of the request's type */
  readRequest(bytes: Uint8Array): Request;
  call(request: Request, client?: WaitingClient): Promise<Answer>;
  writeAnswer(answer: Answer): Buffer;
}

export interface WaitingClient extends Client {
  /** Whether the client has already left. */
  readonly hasGone: boolean;
}

/** All unary RPCs by path. @param ledger the daemon's ledger, shared by both wires */
export function unaryRpcs(devices: DeviceRegistry, ledger: RequestLedger): ReadonlyMap<string, UnaryRpc> {
  const bind = binder(ledger);
  const services = [deviceRpcs, memoryRpcs, engineRpcs, faultRpcs, powerRpcs, snapshotRpcs];
  return new Map(services.flatMap((rpcs) => rpcs(bind, devices)).map((rpc) => [rpc.path, rpc]));
}

function deviceRpcs(bind: Bind, devices: DeviceRegistry): readonly UnaryRpc[] {
  const device = deviceHandlers(devices);
  return [
    bind(DeviceServiceService.listDevices, ListDevicesResponse, device.listDevices),
    bind(DeviceServiceService.getDevice, Device, device.getDevice),
    bind(DeviceServiceService.resetDevice, Device, device.resetDevice),
  ];
}

function memoryRpcs(bind: Bind, devices: DeviceRegistry): readonly UnaryRpc[] {
  const region = regionHandlers(devices);
  const object = objectHandlers(devices);
  const batch = batchHandlers(devices);
  const usage = usageHandlers(devices);
  return [
    bind(MemoryServiceService.listRegions, ListRegionsResponse, region.listRegions),
    bind(MemoryServiceService.getRegion, Region, region.getRegion),
    bind(MemoryServiceService.evictRegion, EvictRegionResponse, region.evictRegion),
    bind(MemoryServiceService.createObject, ObjectMessage, object.createObject),
    bind(MemoryServiceService.getObject, ObjectMessage, object.getObject),
    bind(MemoryServiceService.listObjects, ListObjectsResponse, object.listObjects),
    bind(MemoryServiceService.deleteObject, Empty, object.deleteObject),
    bind(MemoryServiceService.pinObject, ObjectMessage, object.pinObject),
    bind(MemoryServiceService.unpinObject, ObjectMessage, object.unpinObject),
    bind(MemoryServiceService.moveObject, ObjectMessage, object.moveObject),
    bind(MemoryServiceService.adviseObject, AdviseObjectResponse, object.adviseObject),
    bind(MemoryServiceService.batchCreateObjects, BatchCreateObjectsResponse, batch.batchCreateObjects),
    bind(MemoryServiceService.batchPinObjects, BatchPinObjectsResponse, batch.batchPinObjects),
    bind(MemoryServiceService.batchUnpinObjects, BatchUnpinObjectsResponse, batch.batchUnpinObjects),
    bind(MemoryServiceService.batchDeleteObjects, Empty, batch.batchDeleteObjects),
    bind(MemoryServiceService.getUsage, Usage, usage.getUsage),
    bind(MemoryServiceService.checksumObject, ChecksumObjectResponse, object.checksumObject),
  ];
}

function engineRpcs(bind: Bind, devices: DeviceRegistry): readonly UnaryRpc[] {
  const engine = engineHandlers(devices);
  const work = workHandlers(devices);
  return [
    bind(EngineServiceService.listEngines, ListEnginesResponse, engine.listEngines),
    bind(EngineServiceService.getEngine, Engine, engine.getEngine),
    bind(EngineServiceService.resetEngine, Engine, engine.resetEngine),
    bind(EngineServiceService.createContext, Context, engine.createContext),
    bind(EngineServiceService.getContext, Context, engine.getContext),
    bind(EngineServiceService.listContexts, ListContextsResponse, engine.listContexts),
    bind(EngineServiceService.deleteContext, Empty, engine.deleteContext),
    bind(EngineServiceService.submitWork, Fence, work.submitWork),
    bind(EngineServiceService.getFence, Fence, work.getFence),
    bind(EngineServiceService.waitFence, Fence, work.waitFence),
  ];
}

function faultRpcs(bind: Bind, devices: DeviceRegistry): readonly UnaryRpc[] {
  const fault = faultHandlers(devices);
  return [
    bind(FaultServiceService.listFailpoints, ListFailpointsResponse, fault.listFailpoints),
    bind(FaultServiceService.armFailpoint, Failpoint, fault.armFailpoint),
    bind(FaultServiceService.disarmFailpoint, Failpoint, fault.disarmFailpoint),
    bind(FaultServiceService.resetFailpoints, Empty, fault.resetFailpoints),
  ];
}

function powerRpcs(bind: Bind, devices: DeviceRegistry): readonly UnaryRpc[] {
  const power = powerHandlers(devices);
  const runtimePm = runtimePmHandlers(devices);
  const image = imageHandlers(devices);
  return [
    bind(PowerServiceService.planSuspend, SuspendPlan, power.planSuspend),
    bind(PowerServiceService.suspend, Transition, power.suspend),
    bind(PowerServiceService.resume, Transition, power.resume),
    bind(PowerServiceService.getTransition, Transition, power.getTransition),
    bind(PowerServiceService.listTransitions, ListTransitionsResponse, power.listTransitions),
    bind(PowerServiceService.cancelTransition, Transition, power.cancelTransition),
    bind(PowerServiceService.getTransitionTrace, HttpBody, power.getTransitionTrace),
    bind(PowerServiceService.getRuntimePm, RuntimePm, runtimePm.getRuntimePm),
    bind(PowerServiceService.updateRuntimePm, RuntimePm, runtimePm.updateRuntimePm),
    bind(PowerServiceService.listImages, ListImagesResponse, image.listImages),
    bind(PowerServiceService.getImage, Image, image.getImage),
    bind(PowerServiceService.deleteImage, Empty, image.deleteImage),
  ];
}

function snapshotRpcs(bind: Bind, devices: DeviceRegistry): readonly UnaryRpc[] {
  const snapshot = snapshotHandlers(devices);
  return [
    bind(SnapshotServiceService.snapshotDevice, Snapshot, snapshot.snapshotDevice),
    bind(SnapshotServiceService.getSnapshot, Snapshot, snapshot.getSnapshot),
    bind(SnapshotServiceService.listSnapshots, ListSnapshotsResponse, snapshot.listSnapshots),
    bind(SnapshotServiceService.deleteSnapshot, Empty, snapshot.deleteSnapshot),
    bind(SnapshotServiceService.restoreDevice, Transition, snapshot.restoreDevice),
  ];
}

/** Decodes a message. @throws WireError INVALID_REQUEST if the bytes are not such a message */
export function decodeMessage<T>(decode: (bytes: Buffer) => T, bytes: Uint8Array): T {
  try {
    return decode(asBuffer(bytes));
  } catch (error) {
    throw new WireError("INVALID_REQUEST", "The request is not a protobuf message of its type.").because(
      error,
    );
  }
}

interface UnaryDefinition<Request, Answer> {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: false;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Answer;
}

/** Connects a handler to its method, so that it runs once for each request id. */
type Bind = <Request extends object, Answer extends object>(
  definition: UnaryDefinition<Request, Answer>,
  type: MessageType<Answer>,
  handler: (request: Request, client?: Client) => Promise<Answer>,
) => UnaryRpc<Request, Answer>;

function binder(ledger: RequestLedger): Bind {
  return <Request extends object, Answer extends object>(
    definition: UnaryDefinition<Request, Answer>,
    type: MessageType<Answer>,
    handler: (request: Request, client?: Client) => Promise<Answer>,
  ): UnaryRpc<Request, Answer> => {
    const written = new WrittenOnce((answer: Answer) => writeMessage(type, answer));
    return {
      path: definition.path,
      readRequest: (bytes) => decodeMessage(definition.requestDeserialize, bytes),
      writeAnswer: (answer) => written.of(answer),
      async call(request, client) {
        if (client?.hasGone === true)
          throw new WireError("CALL_CANCELLED", "The client has gone away already.");
        const requestId = requestIdOf(request);
        if (requestId === "") return handler(request, client);
        // A message has the same bytes, whichever wire it came over.
        const body = definition.requestSerialize({ ...request, requestId: "" });
        const caller = client?.caller;
        let answer: Answer | undefined;
        const bytes = await ledger.run(
          { caller, method: definition.path, requestId, body },
          async (signal) => {
            answer = await handler(request, { signal, caller });
            return writeMessage(type, answer);
          },
          client?.signal,
        );
        return answer ?? definition.responseDeserialize(asBuffer(bytes));
      },
    };
  };
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Methods that change nothing have no request id. */
function requestIdOf(message: object): string {
  if (!("requestId" in message)) return "";
  return typeof message.requestId === "string" ? message.requestId : "";
}
