/**
 * Traces of calls and transitions, if the configuration names a collector. Otherwise the SDK is not loaded.
 */
import type { Config } from "../config/config.ts";
import type { Tracing, TracingDeps } from "./otlp.ts";

/** @returns undefined without a collector. */
export async function openTracing(
  { tracing }: Config,
  deps: () => TracingDeps,
): Promise<Tracing | undefined> {
  if (tracing === undefined) return undefined;
  const { traceOverOtlp } = await import("./otlp.ts");
  return traceOverOtlp(tracing, deps());
}
