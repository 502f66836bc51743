/** Finished spans on their way to the collector: a limited queue that reports what it lost. */
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import {
  TRACE_BATCH_SPANS,
  TRACE_DELAY_MS,
  TRACE_QUEUE_SPANS_MAX,
  TRACE_SEND_TIMEOUT_MS,
} from "../limits.ts";

/** Must not throw. */
export interface SpanObserver {
  onSent(spans: number): void;
  onLost(spans: number): void;
}

export interface SpanQueueOptions {
  readonly exporter: SpanExporter;
  readonly log: Logger;
  readonly observer: SpanObserver;
  /** How long the exporter may take for a batch. Unit: milliseconds. @default TRACE_SEND_TIMEOUT_MS */
  readonly timeoutMs?: number;
}

/**
 * The exporter's own timeout comes first, because its error says why. The queue gives up this much later.
 * Unit: milliseconds.
 */
const PATIENCE_MS = 100;

const TOO_LATE: ExportResult = {
  code: ExportResultCode.FAILED,
  error: new Error("The collector did not finish its answer in time."),
};

/**
 * Replaces the SDK's batch processor, which neither counts the spans it drops nor reports that nobody accepts
 * them.
 */
export function spanQueue(options: SpanQueueOptions): SpanProcessor {
  const { exporter, log, observer, timeoutMs = TRACE_SEND_TIMEOUT_MS } = options;
  let queued = 0;
  /** Spans lost since the collector last accepted some. */
  let lost = 0;
  let isReachable = true;

  function lose(spans: number): void {
    lost += spans;
    observer.onLost(spans);
  }

  function ended(spans: number, { code, error }: ExportResult): void {
    if (code === ExportResultCode.SUCCESS) {
      observer.onSent(spans);
      if (!isReachable) log.info({ lost }, "traces reach the collector again");
      isReachable = true;
      lost = 0;
      return;
    }
    lose(spans);
    if (!isReachable) return;
    isReachable = false;
    const why = error?.message ?? "";
    log.warn({ why }, "traces do not reach the collector; this is said once, until they do");
  }

  const exportInTime = boundedExporter(exporter, timeoutMs + PATIENCE_MS);
  const send = (spans: ReadableSpan[], done: (result: ExportResult) => void): void => {
    queued -= spans.length;
    exportInTime(spans, (result) => {
      ended(spans.length, result);
      done(result);
    });
  };
  const batches = new BatchSpanProcessor({
    exporter: { export: send, shutdown: () => exporter.shutdown() },
    maxQueueSize: TRACE_QUEUE_SPANS_MAX,
    maxExportBatchSize: TRACE_BATCH_SPANS,
    scheduledDelayMillis: TRACE_DELAY_MS,
    // Never reached, because the deadline above comes first.
    exportTimeoutMillis: 2 * (timeoutMs + PATIENCE_MS),
  });
  return {
    onStart: (span, parent) => batches.onStart(span, parent),
    onEnd(span: ReadableSpan) {
      if (queued >= TRACE_QUEUE_SPANS_MAX) return lose(1);
      queued++;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}

/** Exports, and calls back once, at the deadline at the latest. */
function boundedExporter(exporter: SpanExporter, deadlineMs: number) {
  return (spans: ReadableSpan[], done: (result: ExportResult) => void): void => {
    let isOver = false;
    const end = (result: ExportResult) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(deadline);
      done(result);
    };
    // The exporter's own deadline restarts with each byte received, so an answer could last forever.
    const deadline = setTimeout(end, deadlineMs, TOO_LATE);
    exporter.export(spans, end);
  };
}
