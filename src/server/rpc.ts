/**
 * Every unary RPC as a function from bytes to bytes. Both wires call these: gRPC hands through what it received, REST
 * writes the message from JSON first. So neither can do what the other cannot.
 */
import type { DeviceRegistry } from "./devices.ts";
import { WireError } from "./errors.ts";
import { DeviceServiceService } from "./gen/torpor/v1/device.ts";
import { EngineServiceService } from "./gen/torpor/v1/engine.ts";
import { FaultServiceService } from "./gen/torpor/v1/fault.ts";
import { MemoryServiceService } from "./gen/torpor/v1/memory.ts";
import { PowerServiceService } from "./gen/torpor/v1/power.ts";
import { batchHandlers } from "./handlers/batch-handlers.ts";
import { deviceHandlers } from "./handlers/device-handlers.ts";
import { engineHandlers } from "./handlers/engine-handlers.ts";
import { faultHandlers } from "./handlers/fault-handlers.ts";
import { imageHandlers } from "./handlers/image-handlers.ts";
import { objectHandlers } from "./handlers/object-handlers.ts";
import { powerHandlers } from "./handlers/power-handlers.ts";
import { regionHandlers } from "./handlers/region-handlers.ts";
import { runtimePmHandlers } from "./handlers/runtime-pm-handlers.ts";
import { usageHandlers } from "./handlers/usage-handlers.ts";
import { workHandlers } from "./handlers/work-handlers.ts";
import type { RequestLedger } from "./idempotency.ts";

export interface UnaryRpc {
  /** `/torpor.v1.DeviceService/GetDevice`. */
  readonly path: string;
  call(request: Buffer, origin?: CallOrigin): Promise<Buffer>;
}

/** Who waits for the answer of a call. */
export interface CallOrigin {
  /** Aborted when the caller has gone away. */
  readonly signal?: AbortSignal;
  /** Who the gate found it to be; undefined where callers are not told apart. */
  readonly caller?: string | undefined;
}

/** All unary RPCs by path. @param ledger the daemon's, for both wires */
export function unaryRpcs(devices: DeviceRegistry, ledger: RequestLedger): ReadonlyMap<string, UnaryRpc> {
  const bind = binder(ledger);
  const device = deviceHandlers(devices);
  const region = regionHandlers(devices);
  const object = objectHandlers(devices);
  const batch = batchHandlers(devices);
  const usage = usageHandlers(devices);
  const engine = engineHandlers(devices);
  const work = workHandlers(devices);
  const power = powerHandlers(devices);
  const runtimePm = runtimePmHandlers(devices);
  const image = imageHandlers(devices);
  const fault = faultHandlers(devices);
  const rpcs = [
    bind(DeviceServiceService.listDevices, device.listDevices),
    bind(DeviceServiceService.getDevice, device.getDevice),
    bind(DeviceServiceService.resetDevice, device.resetDevice),
    bind(MemoryServiceService.listRegions, region.listRegions),
    bind(MemoryServiceService.getRegion, region.getRegion),
    bind(MemoryServiceService.evictRegion, region.evictRegion),
    bind(MemoryServiceService.createObject, object.createObject),
    bind(MemoryServiceService.getObject, object.getObject),
    bind(MemoryServiceService.listObjects, object.listObjects),
    bind(MemoryServiceService.deleteObject, object.deleteObject),
    bind(MemoryServiceService.pinObject, object.pinObject),
    bind(MemoryServiceService.unpinObject, object.unpinObject),
    bind(MemoryServiceService.moveObject, object.moveObject),
    bind(MemoryServiceService.adviseObject, object.adviseObject),
    bind(MemoryServiceService.batchCreateObjects, batch.batchCreateObjects),
    bind(MemoryServiceService.batchPinObjects, batch.batchPinObjects),
    bind(MemoryServiceService.batchUnpinObjects, batch.batchUnpinObjects),
    bind(MemoryServiceService.batchDeleteObjects, batch.batchDeleteObjects),
    bind(MemoryServiceService.getUsage, usage.getUsage),
    bind(MemoryServiceService.checksumObject, object.checksumObject),
    bind(EngineServiceService.listEngines, engine.listEngines),
    bind(EngineServiceService.getEngine, engine.getEngine),
    bind(EngineServiceService.resetEngine, engine.resetEngine),
    bind(EngineServiceService.createContext, engine.createContext),
    bind(EngineServiceService.getContext, engine.getContext),
    bind(EngineServiceService.listContexts, engine.listContexts),
    bind(EngineServiceService.deleteContext, engine.deleteContext),
    bind(EngineServiceService.submitWork, work.submitWork),
    bind(EngineServiceService.getFence, work.getFence),
    bind(EngineServiceService.waitFence, work.waitFence),
    bind(FaultServiceService.listFailpoints, fault.listFailpoints),
    bind(FaultServiceService.armFailpoint, fault.armFailpoint),
    bind(FaultServiceService.disarmFailpoint, fault.disarmFailpoint),
    bind(FaultServiceService.resetFailpoints, fault.resetFailpoints),
    bind(PowerServiceService.planSuspend, power.planSuspend),
    bind(PowerServiceService.suspend, power.suspend),
    bind(PowerServiceService.resume, power.resume),
    bind(PowerServiceService.getTransition, power.getTransition),
    bind(PowerServiceService.listTransitions, power.listTransitions),
    bind(PowerServiceService.cancelTransition, power.cancelTransition),
    bind(PowerServiceService.getTransitionTrace, power.getTransitionTrace),
    bind(PowerServiceService.getRuntimePm, runtimePm.getRuntimePm),
    bind(PowerServiceService.updateRuntimePm, runtimePm.updateRuntimePm),
    bind(PowerServiceService.listImages, image.listImages),
    bind(PowerServiceService.getImage, image.getImage),
    bind(PowerServiceService.deleteImage, image.deleteImage),
  ];
  return new Map(rpcs.map((rpc) => [rpc.path, rpc]));
}

/** Decodes a message that came in. @throws WireError INVALID_REQUEST when it is none */
export function decodeMessage<T>(decode: (bytes: Buffer) => T, bytes: Buffer): T {
  try {
    return decode(bytes);
  } catch (error) {
    throw new WireError(
      "INVALID_REQUEST",
      "The request is not a protobuf message of its type.",
      {},
      { cause: error },
    );
  }
}

interface UnaryDefinition<Request, Response> {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: false;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseSerialize: (response: Response) => Buffer;
}

/** Puts a handler behind its method: bytes in, bytes out, and once for each request id. */
type Bind = <Request, Response>(
  definition: UnaryDefinition<Request, Response>,
  handler: (request: Request, signal?: AbortSignal) => Promise<Response>,
) => UnaryRpc;

function binder(ledger: RequestLedger): Bind {
  return (definition, handler) => ({
    path: definition.path,
    async call(request, { signal, caller } = {}) {
      if (signal?.aborted === true)
        throw new WireError("CALL_CANCELLED", "The client has gone away already.");
      const message = decodeMessage(definition.requestDeserialize, request);
      const work = async (gone?: AbortSignal) => definition.responseSerialize(await handler(message, gone));
      const requestId = requestIdOf(message);
      if (requestId === "") return work(signal);
      const body = definition.requestSerialize({ ...message, requestId: "" });
      return ledger.run({ caller, method: definition.path, requestId, body }, work, signal);
    },
  });
}

/** Methods that change nothing have no request id. */
function requestIdOf(message: unknown): string {
  if (typeof message !== "object" || message === null || !("requestId" in message)) return "";
  return typeof message.requestId === "string" ? message.requestId : "";
}
