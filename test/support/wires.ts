/** Both wires on real sockets over given devices, for tests. */
import assert from "node:assert/strict";
import { fromBinary, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  type Client,
  credentials,
  Metadata,
  ServerCredentials,
  type ServiceError,
} from "@grpc/grpc-js";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { DeviceServiceClient } from "../../src/contract/gen/torpor/v1/device.ts";
import { MemoryServiceClient } from "../../src/contract/gen/torpor/v1/memory.ts";
import { PowerServiceClient } from "../../src/contract/gen/torpor/v1/power.ts";
import { type Binding, readBindings } from "../../src/contract/http-bindings.ts";
import { REGISTRY } from "../../src/contract/registry.ts";
import type { Failpoints, SnapshotStore } from "../../src/device/mod.ts";
import type { DeviceHandle, DeviceRegistry } from "../../src/server/api/devices.ts";
import { RequestLedger } from "../../src/server/api/idempotency.ts";
import { Authenticator } from "../../src/server/auth/authenticator.ts";
import { EventHub } from "../../src/server/events/event-hub.ts";
import { Gate, type GateOptions } from "../../src/server/gate/gate.ts";
import type { CallEnd, HttpEnd } from "../../src/server/gate/observer.ts";
import { buildGrpc, type GrpcWire } from "../../src/server/grpc/build-grpc.ts";
import { buildHttp, type HttpDeps } from "../../src/server/http/build-http.ts";
import type { ImageCatalogue } from "../../src/server/machine/image-catalogue.ts";
import { systemClock } from "../../src/server/machine/system-clock.ts";
import { type DecodedStatus, statusOf } from "./grpc-errors.ts";

/**
 * A unary RPC by the name of its method, request and answer in proto3 JSON: the same for both wires, so that a row of a
 * table is written once. Rejects with RefusedCall.
 */
export type JsonCall = (method: string, request: JsonObject) => Promise<JsonObject>;

/** What a call was refused with, as a caller reads it, whichever wire it came over. */
export class RefusedCall extends Error {
  /** Name of the google.rpc.Code. */
  readonly code: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: string, message: string, infos: readonly ErrorInfoJson[]) {
    super(message);
    const [info] = infos;
    assert(info !== undefined && infos.length === 1, `${code} has one ErrorInfo, not ${infos.length}`);
    this.code = code;
    this.reason = info.reason;
    this.metadata = info.metadata;
  }
}

interface ErrorInfoJson {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Wires extends AsyncDisposable {
  readonly app: FastifyInstance;
  /** `http://127.0.0.1:12345`. */
  readonly baseUrl: string;
  readonly grpcWire: GrpcWire;
  /** `127.0.0.1:12346`. */
  readonly grpcAddress: string;
  readonly devices: DeviceServiceClient;
  readonly memory: MemoryServiceClient;
  readonly power: PowerServiceClient;
  readonly overRest: JsonCall;
  readonly overGrpc: JsonCall;
  /** What the observer was told, oldest first. */
  readonly calls: CallEnd[];
  readonly requests: HttpEnd[];
  /** Watches of health that are open. */
  readonly watches: number;
  /** Connections that were ended, as `grpc flood`. */
  readonly connectionEnds: string[];
  /** Lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
}

type WiresOptions = Partial<
  Pick<HttpDeps, "isReady" | "metrics" | "allowedHosts" | "corsOrigins" | "arrivalMs">
> & {
  /** Where REST listens. @default 127.0.0.1 */
  readonly host?: string;
  /** @default none: as without --enable-faults */
  readonly failpoints?: Failpoints;
  /** @default none: as without a data directory */
  readonly images?: ImageCatalogue;
  /** @default none */
  readonly snapshots?: SnapshotStore;
  /** @default open to everybody, without limits */
  readonly gate?: Partial<GateOptions>;
  /** @default one that no device tells anything */
  readonly events?: EventHub;
};

/** Starts both wires on ports of the system's choice. */
export async function startWires(
  handles: readonly DeviceHandle[],
  {
    host = "127.0.0.1",
    failpoints,
    images,
    snapshots,
    gate: gateOptions,
    events = new EventHub({ clock: systemClock }),
    ...options
  }: WiresOptions = {},
): Promise<Wires> {
  const byName = new Map(handles.map((device) => [device.name, device]));
  const devices: DeviceRegistry = Object.assign(byName, { failpoints, images, snapshots });
  const log: Record<string, unknown>[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const calls: CallEnd[] = [];
  const requests: HttpEnd[] = [];
  let watches = 0;
  const connectionEnds: string[] = [];
  const observer = {
    onCallEnd: (call: CallEnd) => void calls.push(call),
    onHttpEnd: (request: HttpEnd) => void requests.push(request),
    onConnectionEnd: (wire: string, why: string) => void connectionEnds.push(`${wire} ${why}`),
    onHealthWatches: (count: number) => {
      watches = count;
    },
  };
  const gate = new Gate({ authenticator: new Authenticator(), log: logger, ...gateOptions });
  const ledger = new RequestLedger(systemClock);
  const app = buildHttp({
    devices,
    gate,
    events,
    ledger,
    logger,
    observer,
    version: "0.0.0-test",
    allowedHosts: [],
    isReady: () => true,
    ...options,
  });
  const baseUrl = await app.listen({ host, port: 0 });
  const grpcWire = buildGrpc({
    devices,
    gate,
    events,
    ledger,
    logger,
    observer,
    arrivalMs: options.arrivalMs,
  });
  const port = await bind(grpcWire, ServerCredentials.createInsecure());
  const grpcAddress = `127.0.0.1:${port}`;
  const insecure: ChannelCredentials = credentials.createInsecure();
  const clients = {
    devices: new DeviceServiceClient(grpcAddress, insecure),
    memory: new MemoryServiceClient(grpcAddress, insecure),
    power: new PowerServiceClient(grpcAddress, insecure),
  };
  return {
    app,
    baseUrl,
    grpcWire,
    grpcAddress,
    ...clients,
    overRest: (method, request) => callRest(baseUrl, method, request),
    overGrpc: (method, request) => callGrpc(clients.memory, method, request),
    calls,
    requests,
    get watches() {
      return watches;
    },
    connectionEnds,
    log,
    async [Symbol.asyncDispose]() {
      for (const client of Object.values(clients)) client.close();
      events.close();
      grpcWire.server.forceShutdown();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

/** Calls over REST: `name` or `parent` goes into the path, the rest into body or query. */
export async function callRest(baseUrl: string, method: string, request: JsonObject): Promise<JsonObject> {
  const { path, init } = restRequest(method, request);
  const response = await fetch(`${baseUrl}${path}`, init);
  const json = (await response.json()) as JsonObject;
  if (response.ok) return json;
  throw refusedByBody(json);
}

/** What a call is over REST. Of content the body is what a message would be: some bytes. */
export function restRequest(
  method: string,
  request: JsonObject,
): { readonly path: string; readonly init: RequestInit } {
  const { httpMethod, template, variable, body } = bindingOf(method);
  const { [toCamel(body)]: resource = {}, ...others } = request;
  // The name is in the request, or in the resource that is its body.
  const all: JsonObject = { ...others, ...(resource as JsonObject) };
  const { [variable?.fieldPath.at(-1) ?? ""]: name = "", ...rest } = all;
  const path = template.replace(/\{(?:[\w.]+)=.*\}/, String(name));
  const inBody = body === "*" ? rest : resource;
  const inQuery = body === "*" ? {} : body === "" ? rest : others;
  const fields = Object.entries(inQuery)
    .filter(([key]) => key !== variable?.fieldPath.at(-1))
    .map(([key, value]) => [key, String(value)]);
  const init = { method: httpMethod, ...(body === "" ? {} : { body: JSON.stringify(inBody) }) };
  return { path: `${path}?${new URLSearchParams(fields)}`, init };
}

/** What the body of a refused request says. */
export function refusedByBody(json: JsonObject): RefusedCall {
  const { error } = json as unknown as { error: { status: string; message: string; details: RestDetail[] } };
  const infos = error.details.filter((detail) => detail["@type"].endsWith(".ErrorInfo"));
  return new RefusedCall(error.status, error.message, infos);
}

/** What an error of a gRPC call says; the error itself when it carries no details. */
export function failureFrom(error: unknown): unknown {
  const hasDetails =
    error instanceof Error &&
    "metadata" in error &&
    error.metadata instanceof Metadata &&
    error.metadata.get("grpc-status-details-bin").length > 0;
  return hasDetails ? fromStatus(statusOf(error as ServiceError)) : error;
}

function toCamel(name: string): string {
  return name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
}

type RestDetail = ErrorInfoJson & { readonly "@type": string };

/** Calls over gRPC, the messages made by the descriptors alone. */
export async function callGrpc(client: Client, method: string, request: JsonObject): Promise<JsonObject> {
  const { input, output, parent, name } = bindingOf(method).method;
  const bytes = Buffer.from(toBinary(input, fromJson(input, request)));
  const keep = (value: Buffer) => value;
  const answer = await new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(`/${parent.typeName}/${name}`, keep, keep, bytes, (error, value) => {
      if (error === null && value !== undefined) resolve(value);
      else reject(error === null ? new Error("no answer") : fromStatus(statusOf(error)));
    });
  });
  return toJson(output, fromBinary(output, answer), { alwaysEmitImplicit: true }) as JsonObject;
}

/** What a call that must fail was refused with. */
export async function refusalOf(call: Promise<unknown>): Promise<RefusedCall> {
  const outcome = await call.catch((error: unknown) => error);
  assert(outcome instanceof RefusedCall, `the call was not refused, but: ${JSON.stringify(outcome)}`);
  return outcome;
}

function fromStatus({ code, message, details }: DecodedStatus): RefusedCall {
  const names = REGISTRY.getEnum("google.rpc.Code")?.values ?? [];
  const infos = details.flatMap(({ type, value }) =>
    type === "ErrorInfo" ? [{ reason: value.reason, metadata: Object.fromEntries(value.metadata) }] : [],
  );
  return new RefusedCall(names.find(({ number }) => number === code)?.name ?? "", message, infos);
}

const BINDINGS = readBindings(REGISTRY);

function bindingOf(method: string): Binding {
  const binding = BINDINGS.find((candidate) => candidate.method.name === method);
  if (binding === undefined) throw new Error(`There is no method ${method}.`);
  return binding;
}

function bind(wire: GrpcWire, serverCredentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    wire.server.bindAsync("127.0.0.1:0", serverCredentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
