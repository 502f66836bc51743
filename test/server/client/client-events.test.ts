/** The client's events: one stream to its reader, over however many connections and runs of the daemon. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Channel } from "../../../src/client/channel.ts";
import { followTransition } from "../../../src/client/follow-transition.ts";
import {
  connect,
  type Event,
  Event_Type,
  Failpoint_Action,
  type TorporClient,
  TorporError,
  Transition_State,
  toDuration,
  type WatchOptions,
} from "../../../src/client/mod.ts";
import { watchEvents } from "../../../src/client/watch-events.ts";
import { type CutProxy, startCutProxy } from "../../support/cut-proxy.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { EventReader, watchOverRest } from "../../support/event-streams.ts";

const parent = "devices/card0";
const PLENTY_MS = 20_000;

let daemon: TestDaemon;
let proxy: CutProxy;
let client: TorporClient;
let stop: AbortController;

beforeAll(async () => {
  daemon = await startTestDaemon({ enableFaults: true, devices: ["card0", "card1"] });
  proxy = await startCutProxy(daemon.grpc);
  client = connect({ address: daemon.grpc });
});
afterAll(async () => {
  client.close();
  await proxy[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});
beforeEach(() => {
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await client.resetFailpoints();
  for (const name of [parent, "devices/card1"]) await client.resetDevice({ name, scope: 2 });
});

/** Reads until `isLast`, that event included; fails when it does not come. */
async function readUntil(events: AsyncIterator<Event>, isLast: (event: Event) => boolean): Promise<Event[]> {
  const read: Event[] = [];
  const late = AbortSignal.timeout(PLENTY_MS);
  late.addEventListener("abort", () => stop.abort());
  for (;;) {
    const step = await events.next();
    if (step.done === true) throw new Error(`the event did not come after ${read.length} others`);
    read.push(step.value);
    if (isLast(step.value)) return read;
  }
}

const isBookmark = ({ type }: Event) => type === Event_Type.BOOKMARK;
const isDeleted = ({ type }: Event) => type === Event_Type.OBJECTS_DELETED;

/** What a watch ends with. */
async function endOf(events: AsyncIterator<Event>): Promise<unknown> {
  const late = AbortSignal.timeout(PLENTY_MS);
  late.addEventListener("abort", () => stop.abort());
  try {
    for (;;) {
      const { done } = await events.next();
      if (done === true) return undefined;
    }
  } catch (error) {
    return error;
  }
}

/** A watch through the proxy. */
function watchFrom(address: string, options: WatchOptions = {}): AsyncGenerator<Event> {
  const watcher = connect({ address });
  stop.signal.addEventListener("abort", () => watcher.close(), { once: true });
  return watcher.watchEvents({ signal: stop.signal, ...options });
}

async function makeAndDelete(name = parent): Promise<void> {
  const object = await client.createObject({ parent: name, size: 65536 });
  await client.deleteObject({ name: object.name });
}

function sequences(events: readonly Event[]): number[] {
  return events.filter((event) => !isBookmark(event)).map(({ sequence }) => Number(sequence));
}

describe("a watch", () => {
  it("begins with the present state, and ends without an error when it is aborted", async () => {
    const { name } = await client.createObject({ parent, size: 65536, label: "there" });
    const events = client.watchEvents({ devices: ["card0"], signal: stop.signal });
    const state = await readUntil(events, isBookmark);
    expect(state.map(({ payload }) => payload?.$case)).toEqual([
      "deviceChanged",
      "objectsCreated",
      "bookmark",
    ]);
    expect(state[1]?.payload).toMatchObject({ value: { objects: [{ name, label: "there" }] } });
    const next = events.next();
    stop.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it("tells of the types and devices that were asked for, of one or of several", async () => {
    const types = [Event_Type.OBJECTS_DELETED];
    for (const devices of [["card1"], ["card1", "devices/card1"]]) {
      const events = client.watchEvents({ devices, types, signal: stop.signal });
      await readUntil(events, isBookmark);
      await makeAndDelete();
      await makeAndDelete("devices/card1");
      const told = await readUntil(events, isDeleted);
      expect(told.map(({ device }) => device)).toEqual(["devices/card1"]);
      await events.return(undefined);
    }
    const both = client.watchEvents({ devices: ["card0", "card1"], types, signal: stop.signal });
    await readUntil(both, isBookmark);
    await makeAndDelete();
    await makeAndDelete("devices/card1");
    const told = [...(await readUntil(both, isDeleted)), ...(await readUntil(both, isDeleted))];
    expect(told.map(({ device }) => device).sort()).toEqual([parent, "devices/card1"]);
  });

  it.each([[["card9"]], [["card0", "card9"]]])(
    "of devices %j says that one does not exist",
    async (devices) => {
      const error = await endOf(client.watchEvents({ devices, signal: stop.signal }));
      expect(error).toMatchObject({ code: "NOT_FOUND", reason: "DEVICE_NOT_FOUND" });
    },
  );

  it("goes on after a sequence", async () => {
    const first = client.watchEvents({ devices: ["card0"], signal: stop.signal });
    const last = (await readUntil(first, isBookmark)).at(-1);
    await makeAndDelete();
    await readUntil(first, isDeleted);
    await first.return(undefined);
    const afterSequence = last?.sequence ?? 0n;
    const second = client.watchEvents({ devices: ["card0"], afterSequence, signal: stop.signal });
    const missed = await readUntil(second, isBookmark);
    expect(missed.some(isDeleted)).toBe(true);
    expect(sequences(missed)[0]).toBe(Number(afterSequence) + 1);
  });
});

describe("a watch whose connection breaks", () => {
  it("goes on without a gap or a repetition, again and again", async () => {
    const cuts: TorporError[] = [];
    const events = watchFrom(proxy.address, { onCutOff: (error) => cuts.push(error) });
    const whole = client.watchEvents({ signal: stop.signal });
    await readUntil(events, isBookmark);
    await readUntil(whole, isBookmark);
    const told: Event[] = [];
    const expected: Event[] = [];
    for (let round = 0; round < 3; round++) {
      await makeAndDelete();
      told.push(...(await readUntil(events, isDeleted)));
      proxy.cut();
      await makeAndDelete();
      told.push(...(await readUntil(events, isDeleted)));
      for (let count = 0; count < 2; count++) expected.push(...(await readUntil(whole, isDeleted)));
    }
    expect(sequences(told)).toEqual(sequences(expected));
    expect(cuts).toHaveLength(3);
    expect(cuts[0]).toMatchObject({ code: "UNAVAILABLE", reason: "UNREACHABLE" });
    expect(proxy.connections()).toBeGreaterThanOrEqual(4);
  });

  it("ends with what cut it off, where nobody wants it back", async () => {
    const events = watchFrom(proxy.address, { reconnect: false });
    await readUntil(events, isBookmark);
    proxy.cut();
    expect(await endOf(events)).toMatchObject({ code: "UNAVAILABLE", reason: "UNREACHABLE" });
  });

  it("counts as broken when nothing is told for long", async () => {
    const channel = new Channel({ address: daemon.grpc });
    const cuts: string[] = [];
    const options = { signal: stop.signal, onCutOff: ({ message }: TorporError) => cuts.push(message) };
    const events = watchEvents(channel, options, 200);
    const [first] = (await readUntil(events, isBookmark)).slice(-1);
    const again = await readUntil(events, isBookmark);
    channel.close();
    expect(again).toMatchObject([{ sequence: first?.sequence }]);
    expect(cuts).toEqual(["The daemon has told nothing for 200 ms."]);
  });

  it("goes on where the daemon says when it read too slowly", async () => {
    const reasons: string[] = [];
    const onCutOff = ({ reason }: TorporError) => reasons.push(reason);
    const events = client.watchEvents({ devices: ["card0"], signal: stop.signal, onCutOff });
    const whole = client.watchEvents({ devices: ["card1"], signal: stop.signal });
    await readUntil(events, isBookmark);
    await readUntil(whole, isBookmark);
    const name = "failpoints/watch.slowConsumer";
    await client.armFailpoint({ name, action: Failpoint_Action.ERROR, device: "card0", count: 1 });
    await makeAndDelete();
    const told = await readUntil(events, isDeleted);
    expect(reasons).toEqual(["SLOW_CONSUMER"]);
    const numbers = sequences(told);
    expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
  });
});

describe("a watch of a daemon", () => {
  it("that nobody answers for fails at once", async () => {
    const error = await endOf(watchFrom("127.0.0.1:1"));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UNREACHABLE" });
  });

  it("that is stopped and started again comes back, and says that events are missing", async () => {
    const first = await startTestDaemon();
    const port = Number(first.grpc.split(":")[1]);
    const cuts: TorporError[] = [];
    const events = watchFrom(first.grpc, { onCutOff: (error) => cuts.push(error) });
    await readUntil(events, isBookmark);
    const end = endOf(events);
    await first[Symbol.asyncDispose]();
    await using second = await startTestDaemon({ grpc: { kind: "tcp", host: "127.0.0.1", port } });
    // Somebody else is there before: the sequences of the new run reach those of the past one.
    const other = new EventReader(watchOverRest(second.url)());
    await other.readUntil(({ type }) => type === "BOOKMARK");
    expect(await end).toMatchObject({ code: "OUT_OF_RANGE", reason: "EVENTS_EXPIRED" });
    expect(cuts).toHaveLength(1);
    const anew = watchFrom(second.grpc);
    expect((await readUntil(anew, isBookmark)).length).toBeGreaterThan(1);
    stop.abort();
    other.stream.cut();
  });

  it("that is too old an event for it is told so", async () => {
    const error = await endOf(client.watchEvents({ afterSequence: 2 ** 40, signal: stop.signal }));
    expect(error).toMatchObject({ code: "OUT_OF_RANGE", reason: "EVENTS_EXPIRED" });
  });
});

describe("a watch whose token", () => {
  it("is withdrawn ends with UNAUTHENTICATED, and is not tried again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "torpor-client-events-"));
    const tokensFile = join(directory, "tokens.yaml");
    const sha256 = createHash("sha256").update("secret").digest("hex");
    writeFileSync(tokensFile, `tokens: [{ name: t, role: viewer, sha256: "${sha256}" }]`);
    try {
      await using guarded = await startTestDaemon({ tokensFile });
      using watcher = connect({ address: guarded.grpc, token: "secret" });
      const cuts: TorporError[] = [];
      const onCutOff = (error: TorporError) => cuts.push(error);
      const events = watcher.watchEvents({ signal: stop.signal, onCutOff });
      await readUntil(events, isBookmark);
      writeFileSync(tokensFile, "tokens: []");
      await guarded.daemon.reload();
      expect(await endOf(events)).toMatchObject({ code: "UNAUTHENTICATED", reason: "UNAUTHENTICATED" });
      expect(cuts).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("following a transition", () => {
  const states = async (source: ReturnType<TorporClient["followTransition"]>) => {
    const seen = [];
    for await (const transition of source) seen.push(transition);
    return seen;
  };

  it("is told of each phase by events, and ends with the transition", async () => {
    const name = "failpoints/evictPinned.before";
    await client.armFailpoint({ name, action: Failpoint_Action.HANG, count: 1 });
    const { name: transition } = await client.suspend({ name: parent, wait: toDuration(0) });
    let looks = 0;
    const seen = [];
    const look: TorporClient["getTransition"] = (request, options) => {
      looks += 1;
      return client.getTransition(request, options);
    };
    const watch = (options: WatchOptions) => client.watchEvents(options);
    for await (const state of followTransition({ look, watch }, transition, {})) {
      if (seen.length === 0) await client.resetFailpoints();
      seen.push(state);
    }
    expect(looks).toBe(2);
    expect(seen.at(-1)).toEqual(await client.getTransition({ name: transition }));
    expect(seen.at(-1)?.state).toBe(Transition_State.SUCCEEDED);
    const counts = seen.map(({ phases }) => phases.length);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(new Set(counts).size).toBeGreaterThan(2);
  });

  it("asks again and again where events are refused", async () => {
    const { name } = await client.suspend({ name: parent, wait: toDuration(0) });
    const message = "The role viewer may not call this.";
    const refusal = new TorporError({ code: "PERMISSION_DENIED", reason: "PERMISSION_DENIED", message });
    const watch = () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(refusal) }) });
    const seen = await states(followTransition({ look: client.getTransition, watch }, name, {}));
    expect(seen.at(-1)?.state).toBe(Transition_State.SUCCEEDED);
  });

  it("that does not exist is an error, and one that has ended is given once", async () => {
    await expect(states(client.followTransition(`${parent}/transitions/999`))).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    const { name } = await client.suspend({ name: parent });
    expect(await states(client.followTransition(name))).toHaveLength(1);
  });

  it("ends with an AbortError while the transition goes on", async () => {
    await client.armFailpoint({ name: "failpoints/evict.before", action: Failpoint_Action.HANG, count: 1 });
    const { name } = await client.suspend({ name: parent, wait: toDuration(0) });
    const following = client.followTransition(name, { signal: stop.signal });
    expect((await following.next()).value?.state).toBe(Transition_State.RUNNING);
    const next = following.next();
    stop.abort();
    await expect(next).rejects.toMatchObject({ name: "AbortError" });
    await client.resetFailpoints();
    const seen = await states(client.followTransition(name));
    expect(seen.at(-1)?.state).toBe(Transition_State.SUCCEEDED);
  });
});
