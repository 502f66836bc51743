/** Events of devices that hibernate: the images, and a state that is whole after a resume and after another took it over. */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { EventHub } from "../../../src/server/events/event-hub.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import {
  type EventJson,
  EventReader,
  isBookmark,
  payloadOf,
  StateFromEvents,
  watchOverRest,
} from "../../support/event-streams.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { bootThreaded, MIB, type TestDevice } from "../../support/test-device.ts";
import { callRest, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";

interface Bench {
  readonly gpu: TestDevice;
  readonly wires: Wires;
  readonly reader: EventReader;
}

const benches: Bench[] = [];
afterEach(async () => {
  for (const { gpu, wires, reader } of benches.splice(0)) {
    reader.stream.cut();
    await wires[Symbol.asyncDispose]();
    gpu.device.checkInvariants();
    await gpu.device.close();
  }
});

/** A device with a watcher. */
async function bench(images: MemoryImageStore): Promise<Bench> {
  const events = new EventHub({ clock: systemClock });
  const gpu = await bootThreaded({
    engineForm: "in-process",
    engines: ["bcs0", "rcs0"],
    lmem: [{ sizeBytes: 16 * MIB }],
    smem: { sizeBytes: 64 * MIB },
    emit: events.sinkOf("card0"),
    images,
  });
  events.addDevice(gpu.device);
  const wires = await startWires([gpu.device], { events });
  const made = { gpu, wires, reader: new EventReader(watchOverRest(wires.baseUrl)()) };
  benches.push(made);
  return made;
}

function call({ wires }: Bench, method: string, request: JsonObject): Promise<JsonObject> {
  return callRest(wires.baseUrl, method, request);
}

/** Pinned, evicted and idle objects, and a context. */
async function fill(made: Bench): Promise<void> {
  for (const size of ["4096", "65536", "1048576"]) {
    const { name } = await call(made, "CreateObject", { parent: DEVICE, size, label: `of ${size}` });
    if (size === "65536") await call(made, "PinObject", { name: String(name) });
  }
  await call(made, "CreateContext", { parent: DEVICE, engine: "rcs0" });
}

/** Everything until an object that is made now. */
async function readRest(made: Bench): Promise<EventJson[]> {
  const { name } = await call(made, "CreateObject", { parent: DEVICE, size: "4096", label: "the last" });
  return made.reader.readUntil(
    (event) =>
      event.type === "OBJECTS_CREATED" &&
      (payloadOf(event).objects as JsonObject[]).some((object) => object.name === name),
  );
}

async function expectWhole(made: Bench, events: readonly EventJson[]): Promise<void> {
  const state = new StateFromEvents();
  state.apply(events);
  const list = async (method: string, field: string) => {
    const page = (await call(made, method, { parent: DEVICE, pageSize: 1000 }))[field] as JsonObject[];
    return new Map(page.map((each) => [String(each.name), each]));
  };
  expect(state.devices.get(DEVICE)).toEqual(await call(made, "GetDevice", { name: DEVICE }));
  expect(state.objects).toEqual(await list("ListObjects", "objects"));
  expect(state.contexts).toEqual(await list("ListContexts", "contexts"));
}

describe("a device that hibernates", () => {
  it("tells of its image, and is known as it is when it is back", async () => {
    const made = await bench(new MemoryImageStore());
    const begin = await made.reader.readUntil(isBookmark);
    await fill(made);
    await call(made, "Suspend", { name: DEVICE, state: "S4" });
    const { image } = await call(made, "GetDevice", { name: DEVICE });
    expect(image).toMatch(/^images\/./);
    const asleep = await made.reader.readUntil(
      (event) =>
        event.type === "DEVICE_CHANGED" && (payloadOf(event).device as JsonObject).powerState === "SUSPENDED",
    );
    expect(payloadOf(asleep.at(-1) as EventJson).device).toEqual(
      await call(made, "GetDevice", { name: DEVICE }),
    );
    await call(made, "Resume", { name: DEVICE });
    const all = [...begin, ...asleep, ...(await readRest(made))];
    const told = all.filter(({ type }) => type.startsWith("IMAGE_"));
    expect(told.map((event) => [event.type, event.device, payloadOf(event)])).toEqual([
      ["IMAGE_SEALED", DEVICE, { image }],
      ["IMAGE_CONSUMED", DEVICE, { image }],
    ]);
    await expectWhole(made, all);
  });

  it("is known as it is when another device takes its image over", async () => {
    const images = new MemoryImageStore();
    const first = await bench(images);
    await fill(first);
    await call(first, "Suspend", { name: DEVICE, state: "S4" });
    const { image } = await call(first, "GetDevice", { name: DEVICE });
    const second = await bench(images);
    const begin = await second.reader.readUntil(isBookmark);
    await call(second, "Resume", { name: DEVICE, image: String(image) });
    const all = [...begin, ...(await readRest(second))];
    expect(all.map(({ type }) => type)).toContain("IMAGE_CONSUMED");
    await expectWhole(second, all);
  });
});
