/**
 * Traces of calls and transitions, where the configuration names a collector. Elsewhere none of the SDK is
 * loaded.
 */
import type { Config } from "../config/config.ts";
import type { Tracing, TracingDeps } from "./otlp.ts";

/** @returns undefined where no traces are wanted. */
export async function openTracing(
  { tracing }: Config,
  deps: () => TracingDeps,
): Promise<Tracing | undefined> {
  if (tracing === undefined) return undefined;
  const { traceOverOtlp } = await import("./otlp.ts");
  return traceOverOtlp(tracing, deps());
}
