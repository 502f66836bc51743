/** The queue of spans before the collector: its bound, and what it says of those that are lost. */
import { ExportResultCode } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { type ReadableSpan, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { TRACE_BATCH_SPANS, TRACE_QUEUE_SPANS_MAX } from "../../../src/server/limits.ts";
import { spanQueue } from "../../../src/server/tracing/span-queue.ts";

type Done = Parameters<SpanExporter["export"]>[1];

interface Taken {
  readonly spans: readonly ReadableSpan[];
  readonly done: Done;
}

/** A queue before an exporter that keeps what it is given until the test says how that ended. */
function makeQueue(timeoutMs?: number) {
  const taken: Taken[] = [];
  const counts = { sent: 0, lost: 0 };
  const lines: string[] = [];
  const queue = spanQueue({
    exporter: {
      export: (spans, done) => void taken.push({ spans, done }),
      shutdown: async () => undefined,
    },
    log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg) }),
    observer: {
      onSent(spans) {
        counts.sent += spans;
      },
      onLost(spans) {
        counts.lost += spans;
      },
    },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const provider = new TracerProvider({ resource: resourceFromAttributes({}), spanProcessors: [queue] });
  const tracer = provider.getTracer("test");
  const end = (count: number) => {
    for (let index = 0; index < count; index++) tracer.startSpan("call").end();
  };
  return { taken, counts, lines, end };
}

describe("the queue of spans", () => {
  it("takes no more than its bound while a batch is on its way, and counts the others as lost", async () => {
    const { taken, counts, end } = makeQueue();
    end(TRACE_BATCH_SPANS);
    expect(taken).toHaveLength(1);
    end(TRACE_QUEUE_SPANS_MAX + 7);
    expect(taken).toHaveLength(1);
    expect(counts).toEqual({ sent: 0, lost: 7 });
    taken[0]?.done({ code: ExportResultCode.SUCCESS });
    await vi.waitUntil(() => taken.length === 2);
    end(TRACE_BATCH_SPANS + 1);
    expect(counts).toEqual({ sent: TRACE_BATCH_SPANS, lost: 8 });
  });

  it("gives a batch up that its exporter never ends, and goes on with the next", async () => {
    const { taken, counts, lines, end } = makeQueue(10);
    end(TRACE_BATCH_SPANS);
    await vi.waitUntil(() => counts.lost === TRACE_BATCH_SPANS);
    end(TRACE_BATCH_SPANS);
    taken[1]?.done({ code: ExportResultCode.SUCCESS });
    // An answer that comes after all changes nothing.
    taken[0]?.done({ code: ExportResultCode.SUCCESS });
    expect(counts).toEqual({ sent: TRACE_BATCH_SPANS, lost: TRACE_BATCH_SPANS });
    expect(lines).toEqual([
      "traces do not reach the collector; this is said once, until they do",
      "traces reach the collector again",
    ]);
  });
});
