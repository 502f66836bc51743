/** The gRPC server, built but not bound. */
import assert from "node:assert/strict";
import type { DescMethod } from "@bufbuild/protobuf";
import {
  type MethodDefinition,
  Server,
  type ServerInterceptor,
  type ServerOptions,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import type { FastifyBaseLogger } from "fastify";
import { ServerReflectionService } from "../../contract/gen/grpc/reflection/v1/reflection.ts";
import { DeviceServiceService } from "../../contract/gen/torpor/v1/device.ts";
import { MemoryServiceService } from "../../contract/gen/torpor/v1/memory.ts";
import { REGISTRY } from "../../contract/registry.ts";
import type { DeviceRegistry } from "../api/devices.ts";
import type { RequestLedger } from "../api/idempotency.ts";
import { unaryRpcs } from "../api/rpc.ts";
import type { EventHub } from "../events/event-hub.ts";
import type { ToldEvent } from "../events/event-log.ts";
import { watchEvents } from "../events/watch-handler.ts";
import { Connections } from "../gate/connections.ts";
import type { Gate } from "../gate/gate.ts";
import type { WireObserver } from "../gate/observer.ts";
import { StrangerLog } from "../gate/stranger-log.ts";
import {
  GRPC_FLOW_CONTROL_WINDOW_BYTES,
  GRPC_KEEPALIVE_MS,
  GRPC_KEEPALIVE_TIMEOUT_MS,
  GRPC_MESSAGE_BYTES_MAX,
  REQUEST_ARRIVAL_MS,
} from "../limits.ts";
import type { CallTracer } from "../tracing/call-tracer.ts";
import { type AdmitOptions, admitCall } from "./admit-calls.ts";
import { type CallContext, clientStream, duplexStream, serverStream, unary } from "./call.ts";
import { CallDoor } from "./call-door.ts";
import { readObject, writeObject } from "./content-streams.ts";
import { explainStatuses } from "./explain-status.ts";
import { HEALTH_PATHS, Health } from "./health-service.ts";
import { guardHttp2 } from "./http2-server.ts";
import { REFLECTION_PATHS, reflect } from "./reflection.ts";
import { toStatus } from "./status.ts";
import { traceCall } from "./trace-calls.ts";

export interface GrpcDeps {
  readonly devices: DeviceRegistry;
  readonly gate: Gate;
  readonly events: EventHub;
  /** The daemon's ledger, shared by both wires. */
  readonly ledger: RequestLedger;
  readonly logger: FastifyBaseLogger;
  readonly observer?: WireObserver;
  /** How long a request may take to arrive. Unit: milliseconds. @default REQUEST_ARRIVAL_MS */
  readonly arrivalMs?: number | undefined;
  /** @default none: no tracing */
  readonly tracer?: CallTracer | undefined;
  /** Limits the log lines that strangers cause, for both wires. @default one for this wire alone */
  readonly strangerLog?: StrangerLog;
}

export interface GrpcWire {
  readonly server: Server;
  /** Sets the answer of grpc.health.v1 for the whole server ("") and for each service. SERVING at first. */
  setServing(serving: boolean): void;
}

/** Services that are served from the descriptor set; grpc.health.v1 brings its own implementation. */
const SERVED = /^(torpor\.v1|grpc\.reflection\.v1(alpha)?)\./;

export function buildGrpc(deps: GrpcDeps): GrpcWire {
  const health = new Health();
  const { gate, observer, arrivalMs = REQUEST_ARRIVAL_MS } = deps;
  const { strangerLog = new StrangerLog(deps.logger, { onDropped: () => observer?.onLineThrottled?.() }) } =
    deps;
  const connections = new Connections({ wire: "grpc", observer });
  const door = new CallDoor({ connections, strangerLog, observer });
  const context: CallContext = { logger: deps.logger, observer };
  const server = new DrainingServer(health, {
    "grpc.max_receive_message_length": GRPC_MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": GRPC_MESSAGE_BYTES_MAX,
    "grpc-node.flow_control_window": GRPC_FLOW_CONTROL_WINDOW_BYTES,
    "grpc.keepalive_time_ms": GRPC_KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": GRPC_KEEPALIVE_TIMEOUT_MS,
    // Channelz would count and remember every message of every call, for a service that we do not offer.
    "grpc.enable_channelz": 0,
    interceptors: [intercept(health, { door, gate, connections, strangerLog, arrivalMs }, deps.tracer)],
  });
  guardHttp2(server, {
    onServer: (http2) => connections.guard(http2),
    onStream: door.take,
    onBroken: (socket) => connections.broke(socket),
  });
  const handlers = handlersByPath(deps, context);
  const names = [""];
  for (const service of REGISTRY) {
    if (service.kind !== "service" || !SERVED.test(service.typeName)) continue;
    names.push(service.typeName);
    const definitions: Record<string, MethodDefinition<Buffer, Buffer>> = {};
    const implementations: Record<string, UntypedHandleCall> = {};
    for (const method of service.methods) {
      const definition = bytesDefinition(method);
      const handler = handlers.get(definition.path);
      assert(handler !== undefined, `${definition.path} has no handler`);
      definitions[method.localName] = definition;
      implementations[method.localName] = handler;
      door.addMethod(definition.path);
    }
    server.addService(definitions, implementations);
  }
  health.addTo(server);
  for (const path of HEALTH_PATHS) door.addMethod(path);
  const setServing = (serving: boolean) => {
    for (const name of names) health.setServing(name, serving);
  };
  setServing(true);
  return { server, setServing };
}

interface InterceptOptions extends AdmitOptions {
  readonly door: CallDoor;
}

/**
 * One interceptor does everything that looks at calls, because each interceptor wraps all events of every
 * call.
 */
function intercept(health: Health, options: InterceptOptions, tracer?: CallTracer): ServerInterceptor {
  return (definition, call) => {
    const { path } = definition;
    const arrived = options.door.arriving;
    assert(arrived !== undefined, "the library makes its interceptors while it is given a stream");
    // Before statuses are explained, so that the tracer gets the same status as the client.
    const traced = tracer === undefined ? call : traceCall(tracer, path, call);
    explainStatuses(call, (failure) => {
      arrived.ended = failure;
    });
    arrived.refuse = (failure) => call.sendStatus(toStatus(failure));
    return admitCall(options, definition, { arrived, call: health.follow(path, traced) });
  };
}

/** A server whose graceful shutdown does not wait for streams that never end. */
class DrainingServer extends Server {
  readonly #health: Health;

  constructor(health: Health, options: ServerOptions) {
    super(options);
    this.#health = health;
  }

  override tryShutdown(callback: (error?: Error) => void): void {
    this.#health.endWatches();
    super.tryShutdown(callback);
  }
}

function handlersByPath(
  { devices, events, ledger }: GrpcDeps,
  context: CallContext,
): ReadonlyMap<string, UntypedHandleCall> {
  const handlers = new Map<string, UntypedHandleCall>();
  for (const [path, rpc] of unaryRpcs(devices, ledger)) handlers.set(path, unary(context, rpc));
  const { observer } = context;
  const { readObject: read, writeObject: write } = MemoryServiceService;
  handlers.set(
    read.path,
    serverStream(context, read, (request, client) => readObject(request, { devices, client, observer })),
  );
  const { watchEvents: watch } = DeviceServiceService;
  handlers.set(
    watch.path,
    serverStream(context, watch, (request, { signal, caller }, admission) =>
      bytesOf(watchEvents({ devices, events }, request, { signal, caller, recheck: admission?.recheck })),
    ),
  );
  const onBroken = (bytesWritten: number, error: unknown) =>
    context.logger.warn({ path: write.path, bytesWritten, err: error }, "An upload ended before its end.");
  handlers.set(
    write.path,
    clientStream(context, write, (requests, client) =>
      writeObject(requests, { devices, client, observer, onBroken }),
    ),
  );
  for (const path of REFLECTION_PATHS) {
    handlers.set(
      path,
      duplexStream(context, { ...ServerReflectionService.serverReflectionInfo, path }, (requests) =>
        reflect(REGISTRY, requests),
      ),
    );
  }
  return handlers;
}

async function* bytesOf(told: AsyncIterable<ToldEvent>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { bytes } of told) yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A method whose messages stay bytes, because the handlers read and write them. */
function bytesDefinition(method: DescMethod): MethodDefinition<Buffer, Buffer> {
  const { methodKind } = method;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: keep,
    requestDeserialize: keep,
    responseSerialize: keep,
    responseDeserialize: keep,
  };
}

function keep(bytes: Buffer): Buffer {
  return bytes;
}
