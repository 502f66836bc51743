/**
 * Writes a trace as Chrome trace events, which Perfetto opens: one process, with a thread for the phases and
 * one for each engine and the CPU. It is written in pieces, so that the event loop continues.
 */
import type { Clock } from "../clock.ts";
import { TRACE_SLICE_EVENTS } from "../limits.ts";
import { type CopyRecord, CPU_TRACK } from "../memory/copy-watch.ts";
import type { TransitionResource } from "../resource.ts";
import type { Trace, TracePhase } from "./trace.ts";

export interface TraceSource {
  /** Name of the device. */
  readonly device: string;
  readonly transition: TransitionResource;
  readonly trace: Trace;
  readonly clock: Clock;
}

const PID = 1;
const PHASES_TID = 1;

/** The trace as JSON in UTF-8. For a running transition it contains what has happened so far. */
export async function renderTrace(source: TraceSource): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const pieces = [encoder.encode('{"traceEvents":[\n')];
  let lines: string[] = [];
  let first = true;
  const flush = (): void => {
    pieces.push(encoder.encode(`${first ? "" : ",\n"}${lines.join(",\n")}`));
    first = false;
    lines = [];
  };
  for (const event of eventsOf(source)) {
    lines.push(JSON.stringify(event));
    if (lines.length < TRACE_SLICE_EVENTS) continue;
    flush();
    await source.clock.yield();
  }
  flush();
  const rest = { displayTimeUnit: "ms", otherData: describe(source) };
  pieces.push(encoder.encode(`\n],${JSON.stringify(rest).slice(1)}\n`));
  return joined(pieces);
}

/** An event of the format; times are microseconds from the start of the transition. */
interface TraceEvent {
  readonly ph: "M" | "X" | "B" | "i";
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly s?: "p";
  readonly args: Readonly<Record<string, string | number>>;
}

function* eventsOf({ device, transition, trace }: TraceSource): Generator<TraceEvent> {
  // For a running transition, later events are left out.
  const copies = [...trace.copies];
  const tids = new Map(tracksOf(copies).map((track, index) => [track, PHASES_TID + 1 + index]));
  const title = `${device} ${transition.kind} ${transition.id}`;
  yield { ph: "M", name: "process_name", pid: PID, tid: 0, args: { name: title } };
  for (const [name, tid] of [["phases", PHASES_TID] as const, ...tids]) {
    yield { ph: "M", name: "thread_name", pid: PID, tid, args: { name } };
    yield { ph: "M", name: "thread_sort_index", pid: PID, tid, args: { sort_index: tid } };
  }
  const ts = (timeNs: bigint): number => microseconds(timeNs - trace.startNs);
  for (const phase of trace.phases) {
    const begin = { name: phase.name, pid: PID, tid: PHASES_TID, ts: ts(phase.startNs) };
    if (phase.record === undefined) yield { ph: "B", ...begin, args: {} };
    else yield { ph: "X", ...begin, dur: microseconds(phase.record.durationNs), args: argsOf(phase.record) };
  }
  for (const { name, timeNs, details } of trace.instants) {
    yield { ph: "i", s: "p", name, pid: PID, tid: PHASES_TID, ts: ts(timeNs), args: details };
  }
  for (const { track, startNs, endNs, bytes, pieces } of copies) {
    const durationNs = endNs - startNs;
    const args = { bytes, pieces, ...rateOf(bytes, durationNs) };
    const tid = tids.get(track) ?? PHASES_TID;
    yield { ph: "X", name: "copy", pid: PID, tid, ts: ts(startNs), dur: microseconds(durationNs), args };
  }
}

/** Engines by name, the CPU last. */
function tracksOf(copies: readonly CopyRecord[]): string[] {
  const tracks = new Set(copies.map(({ track }) => track));
  const engines = [...tracks].filter((track) => track !== CPU_TRACK).sort();
  return tracks.has(CPU_TRACK) ? [...engines, CPU_TRACK] : engines;
}

function argsOf(record: NonNullable<TracePhase["record"]>): TraceEvent["args"] {
  const { objects, bytes, blitterBytes, memcpyBytes, skippedVolatile, durationNs } = record;
  return { objects, bytes, blitterBytes, memcpyBytes, skippedVolatile, ...rateOf(bytes, durationNs) };
}

/** Bytes a nanosecond are gigabytes a second. */
function rateOf(bytes: number, durationNs: bigint): Readonly<Record<string, number>> {
  if (bytes === 0 || durationNs === 0n) return {};
  return { "GB/s": Math.round((bytes / Number(durationNs)) * 1000) / 1000 };
}

function microseconds(ns: bigint): number {
  return Number(ns) / 1000;
}

/** The file's description of itself, as text, because viewers show text. */
function describe({ device, transition, trace }: TraceSource): Readonly<Record<string, string>> {
  return {
    device,
    transition: transition.id,
    kind: transition.kind,
    state: transition.state,
    startTimeNs: String(transition.startTimeNs),
    droppedEvents: String(trace.dropped),
  };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
