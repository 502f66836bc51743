/**
 * Sends traces to a collector over OTLP. Only this file creates parts of the SDK. It is loaded if an endpoint
 * is configured.
 */
import { type Context, ROOT_CONTEXT } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import { settledWithin } from "../../device/clock.ts";
import type { EventSink } from "../../device/mod.ts";
import type { TracingConfig } from "../config/config.ts";
import { SHUTDOWN_TRACES_MS } from "../daemon-limits.ts";
import { TRACE_SEND_TIMEOUT_MS, TRACE_SENDS_MAX, TRACE_TEXT_LENGTH_MAX } from "../limits.ts";
import type { BuildInfo } from "../machine/build-info.ts";
import { systemClock } from "../machine/system-clock.ts";
import { makeCallTracer } from "./call-spans.ts";
import type { ArrivedCall, CallTracer } from "./call-tracer.ts";
import { traceDevice } from "./device-spans.ts";
import { type SpanObserver, spanQueue } from "./span-queue.ts";

export interface Tracing {
  readonly calls: CallTracer;
  /** Makes the sink that traces a device's events. */
  traceDevice(device: string): EventSink;
  /** Sends the remaining spans within a deadline. Never rejects. */
  close(): Promise<void>;
}

export interface TracingDeps {
  readonly log: Logger;
  readonly build: BuildInfo;
  readonly observer: SpanObserver;
}

/** The default service name. */
const SERVICE_NAME = "torpord";

/** The path under which collectors accept traces (OTLP 1.x, "OTLP/HTTP Request"). */
const TRACES_PATH = "v1/traces";

export function traceOverOtlp(config: TracingConfig, { log, build, observer }: TracingDeps): Tracing {
  const { endpoint, serviceName, resourceAttributes } = config;
  const url = `${endpoint.replace(/\/+$/, "")}/${TRACES_PATH}`;
  const exporter = new OTLPTraceExporter({
    url,
    timeoutMillis: TRACE_SEND_TIMEOUT_MS,
    concurrencyLimit: TRACE_SENDS_MAX,
  });
  const queue = spanQueue({ exporter, log: log.child({ endpoint }), observer });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": SERVICE_NAME,
      "service.version": build.version,
      ...resourceAttributes,
      ...(serviceName === undefined ? {} : { "service.name": serviceName }),
    }),
    spanLimits: { attributeValueLengthLimit: TRACE_TEXT_LENGTH_MAX },
    spanProcessors: [queue],
  });
  const tracer = provider.getTracer("torpor", build.version);
  return {
    calls: makeCallTracer(tracer, readCaller),
    traceDevice: (device) => traceDevice(tracer, device),
    async close() {
      const flushed = provider.shutdown().catch(() => undefined);
      if (await settledWithin(systemClock, flushed, SHUTDOWN_TRACES_MS)) return;
      log.warn({ endpoint, deadlineMs: SHUTDOWN_TRACES_MS }, "the last traces were not sent by the deadline");
    },
  };
}

const PROPAGATOR = new W3CTraceContextPropagator();

/** The trace in the caller's `traceparent` and `tracestate`. */
function readCaller(header: ArrivedCall["header"]): Context {
  return PROPAGATOR.extract(ROOT_CONTEXT, header, { get: (read, name) => read(name), keys: () => [] });
}
