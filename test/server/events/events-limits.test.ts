/** WatchEvents at its limits: logs that end, clients that are too slow, silence, and a daemon that stops. */
import type { JsonObject } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DeviceServiceClient } from "../../../src/contract/gen/torpor/v1/device.ts";
import { Event_Type } from "../../../src/contract/gen/torpor/v1/event.ts";
import { sleep } from "../../../src/device/clock.ts";
import { Failpoints, VirtualClock } from "../../../src/device/mod.ts";
import { EventHub, type EventLimits } from "../../../src/server/events/event-hub.ts";
import { EventLog, type ToldEvent } from "../../../src/server/events/event-log.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import { WireError } from "../../../src/server/messages/wire-error.ts";
import { startTestDaemon } from "../../support/daemon.ts";
import {
  EventReader,
  isBookmark,
  payloadOf,
  watchOverGrpc,
  watchOverRest,
} from "../../support/event-streams.ts";
import { bootThreaded, bootVirtual, create, MIB, type TestDevice } from "../../support/test-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

const WIRES = ["REST", "gRPC"] as const;
type Wire = (typeof WIRES)[number];

interface Bench {
  readonly gpu: TestDevice;
  readonly wires: Wires;
  readonly events: EventHub;
  readonly failpoints: Failpoints;
  read(wire: Wire, request?: JsonObject): EventReader;
}

const benches: Bench[] = [];
const readers: EventReader[] = [];

afterEach(async () => {
  for (const reader of readers.splice(0)) reader.stream.cut();
  for (const { wires, gpu } of benches.splice(0)) {
    await wires[Symbol.asyncDispose]();
    await gpu.device.close();
  }
});

async function bench(limits: Partial<EventLimits> = {}, changesPendingMax?: number): Promise<Bench> {
  const failpoints = new Failpoints({ clock: systemClock, crash: () => process.exit(1) });
  const events = new EventHub({ clock: systemClock, failpoints, limits });
  const gpu = await bootThreaded({
    engineForm: "in-process",
    smem: { sizeBytes: 64 * MIB },
    emit: events.sinkOf("card0"),
    ...(changesPendingMax === undefined ? {} : { changesPendingMax }),
  });
  events.addDevice(gpu.device);
  const wires = await startWires([gpu.device], { events, failpoints });
  const made: Bench = {
    gpu,
    wires,
    events,
    failpoints,
    read(wire, request) {
      const watch = wire === "REST" ? watchOverRest(wires.baseUrl) : watchOverGrpc(wires.devices);
      const reader = new EventReader(watch(request));
      readers.push(reader);
      return reader;
    },
  };
  benches.push(made);
  return made;
}

const isCreation = ({ type }: { readonly type: string }) => type === "OBJECTS_CREATED";

describe.each(WIRES)("over %s", (wire) => {
  it("a watcher whose place in the log is gone, or never was, is told so", async () => {
    const { gpu, read } = await bench({ logEventsMax: 4 });
    const live = read(wire);
    const [{ sequence }] = (await live.readUntil(isBookmark)).slice(-1);
    for (let at = 0; at < 6; at++) {
      await create(gpu);
      await live.readUntil(isCreation);
    }
    for (const afterSequence of [sequence, "1000000"]) {
      const refusal = await read(wire, { afterSequence }).readRefusal();
      expect(refusal).toMatchObject({
        code: "OUT_OF_RANGE",
        reason: "EVENTS_EXPIRED",
        metadata: { afterSequence },
      });
    }
    const kept = read(wire, { afterSequence: String(Number(sequence) + 2) });
    expect((await kept.readUntil(isBookmark)).filter(isCreation)).toHaveLength(4);
  });

  it("a watcher that counts as too slow is told where to go on, and goes on from there", async () => {
    const { gpu, read, failpoints } = await bench();
    const arming = { device: "card0", reason: "COPY_FAILED", delayMs: 0, probability: 1, seed: 0 } as const;
    failpoints.arm("watch.slowConsumer", { ...arming, action: "ERROR", count: 1, after: 1 });
    const slow = read(wire);
    await slow.readUntil(isBookmark);
    const ids = [await create(gpu)];
    const [{ sequence }] = (await slow.readUntil(isCreation)).slice(-1);
    ids.push(await create(gpu));
    const refusal = await slow.readRefusal();
    expect(refusal).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "SLOW_CONSUMER",
      metadata: { afterSequence: sequence },
    });
    const next = read(wire, refusal.metadata);
    const told = (await next.readUntil(isBookmark))
      .filter(isCreation)
      .flatMap((event) => payloadOf(event).objects);
    expect(told).toMatchObject([{ name: `devices/card0/objects/${ids[1]}` }]);
  });

  it("a client that does not read loses its stream, and no other does", async () => {
    const { gpu, read } = await bench({ backlogEventsMax: 16 });
    const slow = read(wire);
    await slow.readUntil(isBookmark);
    slow.stream.pause();
    const good = read(wire, { types: ["OBJECTS_DELETED"] });
    await good.readUntil(isBookmark);
    const template = { sizeBytes: 4096, regions: [], flags: [], alignmentBytes: 0, label: "x".repeat(256) };
    for (let round = 0; round < 8; round++) {
      const made = await gpu.execute({ type: "batchCreateObjects", template, count: 10_000 });
      await gpu.execute({ type: "batchDeleteObjects", objects: made.objects.slice(0, 1) });
      await good.readUntil(({ type }) => type === "OBJECTS_DELETED");
    }
    slow.stream.resume();
    expect(await slow.readRefusal()).toMatchObject({ reason: "SLOW_CONSUMER" });
  });

  it("watchers beyond the limit are refused, and a client that goes away makes room", async () => {
    const { read } = await bench({ watchersMax: 2 });
    const [first, second] = [read(wire), read(wire)];
    await first.readUntil(isBookmark);
    await second.readUntil(isBookmark);
    expect(await read(wire).readRefusal()).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "LIMIT_EXCEEDED",
    });
    first.stream.cut();
    await vi.waitFor(() => read(wire).readUntil(isBookmark), { timeout: 5_000 });
  });

  it("watchers whose device lost count of its changes begin anew", async () => {
    const { gpu, read } = await bench({}, 100);
    const reader = read(wire);
    await reader.readUntil(isBookmark);
    const template = { sizeBytes: 4096, regions: [], flags: [], alignmentBytes: 0, label: "" };
    await gpu.execute({ type: "batchCreateObjects", template, count: 101 });
    expect(await reader.readRefusal()).toMatchObject({ reason: "EVENTS_EXPIRED" });
    const again = (await read(wire).readUntil(isBookmark)).filter(isCreation);
    expect(again.flatMap((event) => payloadOf(event).objects)).toHaveLength(101);
  });

  it("names that are none are refused before the stream begins", async () => {
    const { read } = await bench();
    expect(await read(wire, { device: "devices/card7" }).readRefusal()).toMatchObject({
      reason: "DEVICE_NOT_FOUND",
    });
    expect(await read(wire, { device: "cards/card0/x" }).readRefusal()).toMatchObject({
      reason: "INVALID_REQUEST",
    });
  });
});

describe("the log", () => {
  it("of a run goes on from no place in an earlier one", async () => {
    const gpu = await bootVirtual();
    const { clock } = gpu;
    const hub = new EventHub({ clock, baseSequence: 1_000_000 });
    hub.addDevice(gpu.device);
    const watch = (afterSequence: number | undefined) =>
      hub.watch({ devices: [gpu.device], types: [], afterSequence, signal: new AbortController().signal });
    const stream = watch(undefined);
    await clock.run(stream.next());
    for (let count = 0; count < 3; count++) await create(gpu);
    await clock.run(sleep(clock, 100));
    await expect(clock.run(watch(2).next())).rejects.toMatchObject({ reason: "EVENTS_EXPIRED" });
    await stream.return();
  });

  it("is kept for ten minutes when nobody watches, and then nothing is gathered any more", async () => {
    const gpu = await bootVirtual();
    const { clock } = gpu;
    const hub = new EventHub({ clock });
    hub.addDevice(gpu.device);
    const watch = (afterSequence: number | undefined) =>
      hub.watch({
        devices: [gpu.device],
        types: [Event_Type.BOOKMARK, Event_Type.OBJECTS_CREATED],
        afterSequence,
        signal: new AbortController().signal,
      });
    await create(gpu);
    expect(gpu.device.changes.pendingCount).toBe(0);
    const first = watch(undefined);
    const told = [await clock.run(first.next()), await clock.run(first.next())];
    expect(told).toMatchObject([{ value: { sequence: 0 } }, { value: { type: Event_Type.BOOKMARK } }]);
    const { sequence } = told[1].value as ToldEvent;
    await first.return();
    await clock.run(sleep(clock, 599_000));
    await create(gpu);
    await clock.run(sleep(clock, 100));
    const second = watch(sequence);
    expect((await clock.run(second.next())).value).toMatchObject({ sequence: sequence + 1 });
    await second.return();
    await clock.run(sleep(clock, 600_000));
    await expect(watch(sequence).next()).rejects.toMatchObject({ reason: "EVENTS_EXPIRED" });
    await create(gpu);
    expect(gpu.device.changes.pendingCount).toBe(0);
    hub.close();
  });

  it("holds no more events and bytes than it may, and always the newest", () => {
    const log = new EventLog({ eventsMax: 3000, bytesMax: 50_000 });
    const add = (length: number) =>
      log.append((sequence) => ({ sequence, type: 1, device: "card0", bytes: new Uint8Array(length) }));
    for (let at = 0; at < 10_000; at++) add(1);
    expect([log.head, log.isKept(7000), log.isKept(6999)]).toEqual([10_000, true, false]);
    expect(log.next(7000)?.sequence).toBe(7001);
    expect(log.backlog(9000)).toEqual({ events: 1000, bytes: 1000 });
    add(49_990);
    expect([log.isKept(9990), log.isKept(9989)]).toEqual([true, false]);
    add(60_000);
    expect([log.isKept(10_001), log.isKept(10_000), log.next(10_001)?.sequence]).toEqual([
      true,
      false,
      10_002,
    ]);
    log.breakOff();
    expect([log.head, log.isKept(10_003), log.isKept(10_002), log.next(10_003)]).toEqual([
      10_003,
      true,
      false,
      undefined,
    ]);
  });
});

describe("a stream whose caller would not be let in any more", () => {
  it("ends within two seconds, whether something happens or not", async () => {
    const clock = new VirtualClock({ settle: () => new Promise((resolve) => setImmediate(resolve)) });
    const hub = new EventHub({ clock });
    let withdrawn = false;
    const stream = hub.watch({
      devices: [],
      types: [],
      afterSequence: undefined,
      signal: new AbortController().signal,
      recheck: () => {
        if (withdrawn) throw new WireError("UNAUTHENTICATED", "The token of the call is not known.");
      },
    });
    await clock.run(stream.next());
    await clock.run(stream.next());
    const beginNs = clock.monotonicNs();
    withdrawn = true;
    await expect(clock.run(stream.next())).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
    expect(Number(clock.monotonicNs() - beginNs)).toBeLessThanOrEqual(2_000_000_000);
    hub.close();
  });
});

describe("what the metrics hear", () => {
  it("is how many watch, and each that was too slow, once", async () => {
    const counts: number[] = [];
    let dropped = 0;
    const observer = {
      onWatchers: (count: number) => void counts.push(count),
      onDropped: () => void dropped++,
    };
    const hub = new EventHub({ clock: systemClock, observer, limits: { backlogEventsMax: 2 } });
    const gpu = await bootThreaded({ engineForm: "in-process", emit: hub.sinkOf("card0") });
    hub.addDevice(gpu.device);
    const options = { devices: [gpu.device], types: [], afterSequence: undefined };
    const gone = new AbortController();
    const slow = hub.watch({ ...options, signal: new AbortController().signal });
    const quick = hub.watch({ ...options, signal: gone.signal });
    await slow.next();
    await quick.next();
    const reading = (async () => {
      for await (const _event of quick);
    })();
    for (let at = 0; at < 6; at++) {
      await create(gpu);
      await sleep(systemClock, 30);
    }
    await vi.waitFor(() => expect(dropped).toBe(1));
    gone.abort();
    await reading;
    expect(counts).toEqual([1, 2, 1, 0]);
    await expect(readToEnd(slow)).rejects.toMatchObject({ reason: "SLOW_CONSUMER" });
    expect(dropped).toBe(1);
    hub.close();
    await gpu.device.close();
  });
});

async function readToEnd(stream: AsyncIterable<ToldEvent>): Promise<void> {
  for await (const _event of stream);
}

describe("a silent stream", () => {
  it("has a bookmark every 15 seconds", async () => {
    const clock = new VirtualClock({ settle: () => new Promise((resolve) => setImmediate(resolve)) });
    const gone = new AbortController();
    const hub = new EventHub({ clock });
    const stream = hub.watch({ devices: [], types: [], afterSequence: undefined, signal: gone.signal });
    await clock.run(stream.next());
    for (const second of [15n, 30n]) {
      expect((await clock.run(stream.next())).value).toMatchObject({ type: 1, sequence: 1 });
      expect(clock.monotonicNs()).toBe(second * 1_000_000_000n);
    }
    const last = stream.next();
    gone.abort();
    expect((await last).done).toBe(true);
    hub.close();
  });
});

describe("a daemon that stops", () => {
  it("ends its streams on both wires with SHUTTING_DOWN and waits for none", async () => {
    const { daemon, url, grpc } = await startTestDaemon({}, { engineForm: "in-process" });
    const client = new DeviceServiceClient(grpc, credentials.createInsecure());
    const streams = [watchOverRest(url)(), watchOverGrpc(client)()].map((stream) => new EventReader(stream));
    for (const stream of streams) await stream.readUntil(isBookmark);
    const refusals = Promise.all(streams.map((stream) => stream.readRefusal()));
    expect(await daemon.stop()).toMatchObject({ drained: true });
    const expected = { code: "UNAVAILABLE", reason: "SHUTTING_DOWN" };
    expect(await refusals).toMatchObject([expected, expected]);
    client.close();
  });
});
