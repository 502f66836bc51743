/** Calls over both wires, under the names that dashboards for gRPC and HTTP servers expect. */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, type Registry } from "prom-client";
import type { CallEnd, ContentDirection, HttpEnd, WireObserver } from "../gate/observer.ts";
import { CALL_BUCKETS_SECONDS } from "./seconds.ts";
import { StrangerMetrics } from "./stranger-metrics.ts";

export class CallMetrics extends StrangerMetrics implements WireObserver {
  readonly #grpcHandled;
  readonly #grpcHandling;
  readonly #httpDuration;
  readonly #contentStreams;

  constructor(registry: Registry<OpenMetricsContentType>) {
    super(registry);
    const registers = [registry];
    this.#grpcHandled = new Counter({
      name: "grpc_server_handled_total",
      help: "gRPC calls that ended, by the status code that the caller saw.",
      labelNames: ["grpc_service", "grpc_method", "grpc_code"],
      registers,
    });
    this.#grpcHandling = new Histogram({
      name: "grpc_server_handling_seconds",
      help: "Duration of gRPC calls.",
      labelNames: ["grpc_service", "grpc_method"],
      buckets: CALL_BUCKETS_SECONDS,
      registers,
    });
    this.#httpDuration = new Histogram({
      name: "http_request_duration_seconds",
      help: "Duration of HTTP requests.",
      labelNames: ["route", "method", "code"],
      buckets: CALL_BUCKETS_SECONDS,
      registers,
    });
    this.#contentStreams = new Gauge({
      name: "torpor_content_streams",
      help: "Streams of content that are open, on both wires.",
      labelNames: ["direction"],
      registers,
    });
    for (const direction of ["read", "write"]) this.#contentStreams.set({ direction }, 0);
  }

  onCallEnd({ service, method, code, seconds }: CallEnd): void {
    this.#grpcHandled.inc({ grpc_service: service, grpc_method: method, grpc_code: code });
    this.#grpcHandling.observe({ grpc_service: service, grpc_method: method }, seconds);
  }

  onHttpEnd({ route, method, status, seconds }: HttpEnd): void {
    this.#httpDuration.observe({ route, method, code: status }, seconds);
  }

  onContentBegin(direction: ContentDirection): void {
    this.#contentStreams.inc({ direction });
  }

  onContentEnd(direction: ContentDirection): void {
    this.#contentStreams.dec({ direction });
  }
}
