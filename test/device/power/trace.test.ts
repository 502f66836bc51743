/** Traces: what a file of a transition says is what the transition did. */

import { describe, expect, test, vi } from "vitest";
import { TRACE_EVENTS_MAX, TRACE_SLICE_EVENTS, TRACES_KEPT_MAX } from "../../../src/device/limits.ts";
import { Listeners } from "../../../src/device/listeners.ts";
import { Trace } from "../../../src/device/power/trace.ts";
import { renderTrace } from "../../../src/device/power/trace-json.ts";
import { bootVirtual, MIB, patternOf, reasonOf, type VirtualDevice } from "../../support/test-device.ts";

interface Event {
  readonly ph: string;
  readonly name: string;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly args: Readonly<Record<string, number | string>>;
}

interface File {
  readonly traceEvents: readonly Event[];
  readonly displayTimeUnit: string;
  readonly otherData: Readonly<Record<string, string>>;
}

function parse(bytes: Uint8Array): File {
  const file: File = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  return file;
}

async function traceOf(gpu: VirtualDevice, transition: string): Promise<File> {
  return parse(await gpu.execute({ type: "getTransitionTrace", transition }));
}

/** The slices of each thread, by its name. */
function threadsOf({ traceEvents }: File): Map<string, Event[]> {
  const names = traceEvents.filter(({ name }) => name === "thread_name");
  return new Map(
    names.map(({ tid, args }) => [
      String(args.name),
      traceEvents.filter((event) => event.ph === "X" && event.tid === tid),
    ]),
  );
}

async function busyDevice(): Promise<VirtualDevice> {
  const gpu = await bootVirtual({
    lmem: [{ sizeBytes: 128 * MIB }],
    smem: { sizeBytes: 256 * MIB },
    engines: ["bcs0", "bcs1"],
  });
  for (let seed = 0; seed < 8; seed++) {
    const id = await gpu.upload(patternOf(seed, 12 * MIB));
    if (seed < 5) await gpu.execute({ type: "pinObject", object: id });
  }
  return gpu;
}

const end = (event: Event): number => event.ts + event.dur;

describe.each(["suspend", "resume"] as const)("the trace of a %s", (type) => {
  test("has the phases of the transition, and in each the copies that it counts, on tracks that do not overlap", async () => {
    const gpu = await busyDevice();
    let transition = await gpu.execute({ type: "suspend", state: "S3" });
    if (type === "resume") transition = await gpu.execute({ type: "resume" });
    const file = await traceOf(gpu, transition.id);
    expect(file.displayTimeUnit).toBe("ms");
    expect(file.otherData).toMatchObject({ device: "card0", transition: transition.id, droppedEvents: "0" });
    const threads = threadsOf(file);
    expect([...threads.keys()]).toEqual(["phases", "bcs0", "bcs1", "cpu"]);

    const phases = threads.get("phases") ?? [];
    expect(phases.map(({ name, dur, ts }) => ({ name, dur, ts }))).toEqual(
      transition.phases.map(({ phase, durationNs, startTimeNs }) => ({
        name: phase,
        dur: Number(durationNs) / 1000,
        ts: Number(startTimeNs - transition.startTimeNs) / 1000,
      })),
    );
    const copies = [...threads].flatMap(([track, events]) =>
      track === "phases" ? [] : events.map((event) => ({ track, event })),
    );
    for (const [index, phase] of phases.entries()) {
      const within = copies.filter(({ event }) => event.ts >= phase.ts && end(event) <= end(phase));
      const bytes = (cpu: boolean): number =>
        within
          .filter(({ track, event }) => (track === "cpu") === cpu && event.dur > 0)
          .reduce((sum, { event }) => sum + Number(event.args.bytes), 0);
      const { blitterBytes, memcpyBytes } = transition.phases[index];
      expect({ blitterBytes: bytes(false), memcpyBytes: bytes(true) }, phase.name).toEqual({
        blitterBytes,
        memcpyBytes,
      });
    }
    expect(copies.length).toBeGreaterThan(4);
    for (const [track, events] of threads) {
      const sorted = events.toSorted((a, b) => a.ts - b.ts);
      for (const [index, event] of sorted.entries()) {
        if (index > 0) expect(event.ts, track).toBeGreaterThanOrEqual(end(sorted[index - 1]));
        if (event.name === "copy") expect(event.args["GB/s"]).toBeGreaterThan(0);
      }
    }
  });
});

test("a trace says when the GT was wedged, when a cancel was asked for, and how it ended", async () => {
  const gpu = await busyDevice();
  const { words } = gpu.device.memory.region(1).bank;
  const [pageTable] = gpu.device.memory.ownedSlots.filter(
    (slot) => gpu.device.memory.table.labels.get(slot) === "migrate page table",
  );
  const [extent] = gpu.device.memory.region(1).extents(gpu.device.memory.table.resource[pageTable]);
  words[extent.offsetBytes / 4] = 0;
  const running = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
  await gpu.clock.advance(100);
  const unfinished = await traceOf(gpu, running.id);
  expect(unfinished.otherData.state).toBe("RUNNING");
  expect(unfinished.traceEvents.filter(({ ph }) => ph === "B").map(({ name }) => name)).toEqual(["evict"]);
  await gpu.execute({ type: "cancelTransition", transition: running.id });
  const file = await traceOf(gpu, running.id);
  const instants = file.traceEvents.filter(({ ph }) => ph === "i");
  expect(instants.map(({ name }) => name)).toEqual(["wedged", "cancel requested", "cancelled"]);
  expect(instants[0].args.why).toMatch(/PAGE_FAULT/);
  expect(instants[2].args.reason).toBe("TRANSITION_CANCELLED");
});

test("nobody listens to copies when no transition runs, and copies of old transitions are forgotten", async () => {
  const gpu = await busyDevice();
  const first = await gpu.execute({ type: "suspend", state: "S2IDLE" });
  await gpu.execute({ type: "resume" });
  expect(gpu.device.memory.copies.ended.empty).toBe(true);
  expect(threadsOf(await traceOf(gpu, first.id)).size).toBeGreaterThan(1);
  for (let cycle = 0; cycle < TRACES_KEPT_MAX / 2; cycle++) {
    await gpu.execute({ type: "suspend", state: "S2IDLE" });
    await gpu.execute({ type: "resume" });
  }
  const old = await traceOf(gpu, first.id);
  expect([...threadsOf(old).keys()]).toEqual(["phases"]);
  expect(Number(old.otherData.droppedEvents)).toBeGreaterThan(0);
  expect(threadsOf(old).get("phases")).toHaveLength(7);
  expect(await reasonOf(traceOf(gpu, "99"))).toBe("TRANSITION_NOT_FOUND");
});

test("a trace is bounded, says what it dropped, and gives way to others while it is written", async () => {
  const gpu = await bootVirtual();
  const { clock } = gpu;
  const { memory } = gpu.device;
  const trace = new Trace(clock);
  trace.attach(memory.copies, new Listeners());
  for (let at = 0; at < TRACE_EVENTS_MAX + 5; at++) {
    const startNs = BigInt(at);
    memory.copies.ended.tell({ track: "bcs0", startNs, endNs: startNs + 1n, bytes: 1, pieces: 1 });
  }
  trace.detach();
  const transition = await gpu.execute({ type: "suspend", state: "S3" });
  const turns = vi.spyOn(clock, "yield");
  const bytes = await clock.run(renderTrace({ device: "card0", transition, trace, clock }));
  expect(turns.mock.calls.length).toBeGreaterThanOrEqual(TRACE_EVENTS_MAX / TRACE_SLICE_EVENTS);
  const file = parse(bytes);
  expect(file.traceEvents.filter(({ name }) => name === "copy")).toHaveLength(TRACE_EVENTS_MAX);
  expect(file.otherData.droppedEvents).toBe("5");
});
