/** WatchEvents over both wires: what it tells is enough to know a device by, and nothing of it is lost or told twice. */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Failpoints } from "../../../src/device/mod.ts";
import { EventHub } from "../../../src/server/events/event-hub.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import {
  type EventJson,
  EventReader,
  isBookmark,
  payloadOf,
  StateFromEvents,
  type Watch,
  watchOverGrpc,
  watchOverRest,
} from "../../support/event-streams.ts";
import { bootThreaded, MIB, seededRandom, type TestDevice } from "../../support/test-device.ts";
import { callRest, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";
const WIRES = ["REST", "gRPC"] as const;

let gpu: TestDevice;
let wires: Wires;
let markers = 0;
const readers: EventReader[] = [];
const failpoints: Failpoints = new Failpoints({
  clock: systemClock,
  crash: () => {
    throw new Error("the process is gone");
  },
  onHit: (name, device) => events.failpointHit(name, device),
});
const events = new EventHub({ clock: systemClock, failpoints });

beforeAll(async () => {
  gpu = await bootThreaded({
    engineForm: "in-process",
    engines: ["bcs0", "rcs0"],
    lmem: [{ sizeBytes: 16 * MIB }],
    smem: { sizeBytes: 256 * MIB },
    emit: events.sinkOf("card0"),
    failpoints: failpoints.forDevice("card0"),
  });
  events.addDevice(gpu.device);
  wires = await startWires([gpu.device], { events, failpoints });
});
afterEach(async () => {
  failpoints.reset();
  for (const reader of readers.splice(0)) reader.stream.cut();
  await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  gpu.device.checkInvariants();
  await gpu.device.close();
});

function watchOver(wire: (typeof WIRES)[number]): Watch {
  return wire === "REST" ? watchOverRest(wires.baseUrl) : watchOverGrpc(wires.devices);
}

function read(wire: (typeof WIRES)[number], request?: JsonObject): EventReader {
  const reader = new EventReader(watchOver(wire)(request));
  readers.push(reader);
  return reader;
}

/** Makes an object by whose creation a reader knows that it has heard everything before. */
async function mark(): Promise<(event: EventJson) => boolean> {
  const { name } = await call("CreateObject", { parent: DEVICE, size: "4096", label: `marker ${markers++}` });
  return (event) =>
    event.type === "OBJECTS_CREATED" &&
    (payloadOf(event).objects as JsonObject[]).some((object) => object.name === name);
}

function call(method: string, request: JsonObject): Promise<JsonObject> {
  return callRest(wires.baseUrl, method, request);
}

async function list(method: string, field: string): Promise<Map<string, JsonObject>> {
  const found = new Map<string, JsonObject>();
  let pageToken = "";
  do {
    const page = await call(method, { parent: DEVICE, pageSize: 1000, pageToken });
    for (const each of page[field] as JsonObject[]) found.set(String(each.name), each);
    pageToken = String(page.nextPageToken);
  } while (pageToken !== "");
  return found;
}

/** Registers and pending requests of a context change with its work, which is not told. */
function withoutWork(contexts: ReadonlyMap<string, JsonObject>): Map<string, JsonObject> {
  return new Map([...contexts].map(([name, { registers, pendingRequests, ...rest }]) => [name, rest]));
}

async function expectWhole(state: StateFromEvents): Promise<void> {
  expect(state.objects).toEqual(await list("ListObjects", "objects"));
  expect(withoutWork(state.contexts)).toEqual(withoutWork(await list("ListContexts", "contexts")));
  expect(state.devices.get(DEVICE)).toEqual(await call("GetDevice", { name: DEVICE }));
}

/** Does one thing at random; what the device refuses is as good as anything. */
async function step(random: () => number): Promise<void> {
  const objects = [...(await list("ListObjects", "objects")).keys()];
  const contexts = [...(await list("ListContexts", "contexts")).keys()];
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];
  const name = pick(objects) ?? `${DEVICE}/objects/1`;
  const context = pick(contexts) ?? `${DEVICE}/contexts/1`;
  const doings: readonly (() => Promise<JsonObject>)[] = [
    () => call("CreateObject", { parent: DEVICE, size: String(Math.ceil(random() * 3 * MIB)) }),
    () => call("BatchCreateObjects", { parent: DEVICE, template: { size: "65536" }, count: 300 }),
    () => call("PinObject", { name }),
    () => call("PinObject", { name, region: "lmem0" }),
    () => call("UnpinObject", { name }),
    () => call("MoveObject", { name, region: pick(["lmem0", "smem"]) }),
    () => call("AdviseObject", { name, advice: pick(["WILL_NEED", "DONT_NEED"]) }),
    () => call("DeleteObject", { name }),
    () => call("EvictRegion", { name: `${DEVICE}/regions/lmem0` }),
    () => call("CreateContext", { parent: DEVICE, engine: "rcs0" }),
    () => call("DeleteContext", { name: context }),
    () => {
      const commands = [{ fill: { object: name, offset: "0", length: "4096", pattern: 7 } }];
      return call("SubmitWork", { name: context, commands, wait: "5s" });
    },
    () => call("Suspend", { name: DEVICE, state: pick(["S3", "S2IDLE"]) }),
    () => call("Resume", { name: DEVICE }),
    () => call("Resume", { name: DEVICE }),
  ];
  await pick(doings)().catch(() => undefined);
}

describe.each(WIRES)("a watcher over %s", (wire) => {
  it("rebuilds the state of a device from the events alone, whatever happens", async () => {
    const random = seededRandom(wire.length);
    for (let at = 0; at < 5; at++) await step(random);
    const state = new StateFromEvents();
    const reader = read(wire);
    state.apply(await reader.readUntil(isBookmark));
    await expectWhole(state);
    for (let round = 0; round < 12; round++) {
      for (let at = 0; at < 8; at++) await step(random);
      await call("Resume", { name: DEVICE });
      state.apply(await reader.readUntil(await mark()));
      await expectWhole(state);
    }
  });

  it("is told with the end of a transition all that it did to objects before", async () => {
    for (let at = 0; at < 6; at++) {
      const { name } = await call("CreateObject", { parent: DEVICE, size: String(MIB) });
      await call(at % 2 === 0 ? "PinObject" : "MoveObject", { name: String(name), region: "lmem0" });
    }
    const state = new StateFromEvents();
    const reader = read(wire);
    state.apply(await reader.readUntil(isBookmark));
    const ended = (event: EventJson) => event.type === "TRANSITION_ENDED";
    for (const method of ["Suspend", "Resume"]) {
      const transition = await call(method, { name: DEVICE });
      const told = await reader.readUntil(ended);
      state.apply(told);
      await expectWhole(state);
      expect(told.at(-1)).toMatchObject({ transitionEnded: { transition } });
      const phases = told.filter(({ type }) => type === "PHASE_ENDED").map((event) => payloadOf(event).phase);
      expect(phases).toEqual(transition.phases);
      const evicted = told.filter(({ type }) => type === "EVICTED").map(payloadOf);
      expect(evicted.reduce((sum, { bytes }) => sum + Number(bytes), 0)).toBe(
        Number(transition.evictedBytes),
      );
    }
  });

  it("goes on after a cut with neither gap nor repetition", async () => {
    const random = seededRandom(7);
    const whole = read(wire);
    const [begin] = (await whole.readUntil(isBookmark)).slice(-1);
    let last = begin.sequence;
    const heard: string[] = [];
    for (let round = 0; round < 6; round++) {
      const part = read(wire, { afterSequence: last });
      for (let at = 0; at < 4; at++) await step(random);
      await call("Resume", { name: DEVICE });
      let left = 1 + Math.floor(random() * 6);
      const isLast = await mark();
      const told = await part.readUntil((event) => isLast(event) || (!isBookmark(event) && --left === 0));
      part.stream.cut();
      const news = told.filter((event) => !isBookmark(event)).map(({ sequence }) => sequence);
      heard.push(...news);
      last = news.at(-1) ?? last;
    }
    const rest = read(wire, { afterSequence: last });
    const isLast = await mark();
    heard.push(
      ...(await rest.readUntil(isLast)).filter((event) => !isBookmark(event)).map(({ sequence }) => sequence),
    );
    const all = (await whole.readUntil(isLast)).filter((event) => !isBookmark(event));
    expect(heard).toEqual(all.map(({ sequence }) => sequence));
    expect(heard).toEqual(all.map((_, at) => String(Number(begin.sequence) + 1 + at)));
  });

  it("hears of hung engines and of failpoints", async () => {
    const reader = read(wire, { types: ["ENGINE_RESET", "CONTEXT_CHANGED", "FAILPOINT_HIT"] });
    await reader.readUntil(isBookmark);
    const { name } = await call("CreateContext", { parent: DEVICE, engine: "rcs0" });
    await call("SubmitWork", { name: String(name), commands: [{ hang: {} }] });
    await vi.waitFor(async () => {
      const engine = await call("GetEngine", { name: `${DEVICE}/engines/rcs0` });
      expect(engine.state).toBe("RUNNING");
    });
    await call("ResetEngine", { name: `${DEVICE}/engines/rcs0` });
    const told = await reader.readUntil(({ type }) => type === "CONTEXT_CHANGED");
    expect(told).toMatchObject([
      { type: "ENGINE_RESET", engineReset: { engine: `${DEVICE}/engines/rcs0`, context: name } },
      { type: "CONTEXT_CHANGED", contextChanged: { context: { name, hangs: 1, banned: false } } },
    ]);
    const arming = {
      device: "",
      reason: "COPY_FAILED",
      delayMs: 0,
      probability: 1,
      count: 1,
      after: 0,
      seed: 0,
    } as const;
    failpoints.arm("evict.before", { action: "ERROR", ...arming });
    await call("Suspend", { name: DEVICE }).catch(() => undefined);
    expect(await reader.readUntil(() => true)).toMatchObject([
      { device: DEVICE, failpointHit: { failpoint: "failpoints/evict.before" } },
    ]);
  });

  it("is told only what it asked for, and of bookmarks", async () => {
    await call("CreateObject", { parent: DEVICE, size: "4096" });
    const reader = read(wire, { device: "card0", types: ["OBJECTS_DELETED", "TRANSITION_ENDED"] });
    expect((await reader.readUntil(isBookmark)).map(({ type }) => type)).toEqual(["BOOKMARK"]);
    await call("Suspend", { name: DEVICE });
    await call("Resume", { name: DEVICE });
    const { name } = await call("CreateObject", { parent: DEVICE, size: "4096" });
    await call("DeleteObject", { name: String(name) });
    const told = await reader.readUntil(({ type }) => type === "OBJECTS_DELETED");
    expect(told.map(({ type }) => type)).toEqual(["TRANSITION_ENDED", "TRANSITION_ENDED", "OBJECTS_DELETED"]);
    expect(payloadOf(told[2])).toEqual({ names: [name] });
  });
});
