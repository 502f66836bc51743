/** Traces of calls and transitions, where the configuration names a collector. Elsewhere none of the SDK is loaded. */
import type { EventSink } from "../../device/mod.ts";
import type { Config } from "../config/config.ts";
import type { CallTracer } from "./call-tracer.ts";
import type { TracingDeps } from "./otlp.ts";

export interface Tracing {
  readonly calls: CallTracer;
  /** Makes the sink that traces what a device tells. */
  traceDevice(device: string): EventSink;
  /** Sends what has not been sent, within a deadline. Never rejects. */
  close(): Promise<void>;
}

/** @returns undefined where no traces are wanted. */
export async function openTracing(
  { tracing }: Config,
  deps: () => TracingDeps,
): Promise<Tracing | undefined> {
  if (tracing === undefined) return undefined;
  const { traceOverOtlp } = await import("./otlp.ts");
  return traceOverOtlp(tracing, deps());
}
