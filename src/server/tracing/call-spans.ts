/**
 * Spans of calls, with the names and attributes that OpenTelemetry's semantic conventions 1.45 prescribe for
 * servers.
 */
import {
  type Attributes,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from "@opentelemetry/api";
import type { ArrivedCall, ArrivedRequest, CallFailure, CallSpan, CallTracer } from "./call-tracer.ts";
import { actingFor } from "./current-call.ts";

/** Reads the context of the caller's trace from headers. */
export type ReadCaller = (header: ArrivedCall["header"]) => Context;

/** Codes that are the server's fault. The caller can expect all others. */
const SERVER_ERRORS: ReadonlySet<unknown> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

/** @param readCaller links the call to its caller's trace. */
export function makeCallTracer(tracer: Tracer, readCaller: ReadCaller): CallTracer {
  const begin = (name: string, call: ArrivedCall, attributes: Attributes): [Span, Context] => {
    const parent = readCaller(call.header);
    const common = { ...serverOf(call.host), "torpor.request.id": call.requestId };
    const peer = { "client.address": call.peer };
    const options = { kind: SpanKind.SERVER, attributes: { ...attributes, ...common, ...peer } };
    return [tracer.startSpan(name, options, parent), parent];
  };
  return {
    beginRpc(call) {
      const attributes = { "rpc.system.name": "grpc", "rpc.method": call.rpc };
      return new OpenCall(begin(call.rpc, call, attributes), (status) => ({ "rpc.status_code": status }));
    },
    beginRequest(request) {
      const { method, route } = request;
      const name = route === undefined ? method : `${method} ${route}`;
      return new OpenCall(begin(name, request, describe(request)), (status) => ({
        "http.response.status_code": status,
      }));
    },
  };
}

class OpenCall implements CallSpan {
  readonly #span: Span;
  readonly #parent: Context;
  readonly #describeStatus: (status: string | number) => Attributes;
  #failure: CallFailure | undefined;

  constructor([span, parent]: [Span, Context], describeStatus: (status: string | number) => Attributes) {
    this.#span = span;
    this.#parent = parent;
    this.#describeStatus = describeStatus;
  }

  run<T>(work: () => T): T {
    return actingFor({ span: this.#span, parent: this.#parent }, work);
  }

  failed(failure: CallFailure): void {
    this.#failure ??= failure;
  }

  end(status: string | number | undefined): void {
    const span = this.#span;
    const failure = this.#failure;
    if (status !== undefined) span.setAttributes(this.#describeStatus(status));
    if (failure !== undefined) {
      span.setAttributes({ "error.type": failure.reason, "torpor.error.reason": failure.reason });
    }
    const isServersFault = typeof status === "number" ? status >= 500 : SERVER_ERRORS.has(status);
    if (isServersFault) span.setStatus({ code: SpanStatusCode.ERROR, message: failure?.message ?? "" });
    span.end();
  }
}

function describe({ method, path, route, scheme }: ArrivedRequest): Attributes {
  return {
    "http.request.method": method,
    "url.path": path,
    "url.scheme": scheme,
    ...(route === undefined ? {} : { "http.route": route }),
  };
}

/** `localhost:8585` or `[::1]:8585`, as the client wrote it. */
function serverOf(host: string | undefined): Attributes {
  const [, address, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(host ?? "") ?? [];
  if (address === undefined || address === "") return {};
  return { "server.address": address, ...(port === undefined ? {} : { "server.port": Number(port) }) };
}
