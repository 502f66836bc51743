/** Spans sent to a collector. Only a daemon with an OTLP endpoint has these. */
import { Counter, type OpenMetricsContentType, type Registry } from "prom-client";
import type { SpanObserver } from "../tracing/span-queue.ts";

/** Makes the observer that counts them. Both counters start at 0. */
export function countSpans(registry: Registry<OpenMetricsContentType>): SpanObserver {
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  const sent = counter("torpor_trace_spans_sent_total", "Spans that a collector took.");
  const lost = counter(
    "torpor_trace_spans_lost_total",
    "Spans that the queue had no room for, or that no collector took.",
  );
  return { onSent: (spans) => sent.inc(spans), onLost: (spans) => lost.inc(spans) };
}
