/** Many objects in one call, all or none, the same over both wires. What is refused is in bad-input.test.ts. */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BATCH_OBJECTS_MAX } from "../../../src/device/limits.ts";
import type { Device } from "../../../src/device/mod.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { bootThreaded, KIB, MIB } from "../../support/test-device.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

const parent = "devices/card0";

let device: Device;
let wires: Wires;

beforeAll(async () => {
  ({ device } = await bootThreaded({ lmem: [{ sizeBytes: 32 * MIB }], smem: { sizeBytes: 64 * MIB } }));
  wires = await startWires([device]);
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  device.checkInvariants();
  await device.close();
});

interface ObjectJson {
  readonly name: string;
  readonly pinCount: number;
}

/** Every object of a label, whatever number of pages they take. */
async function listed(call: JsonCall, label: string): Promise<ObjectJson[]> {
  const objects: ObjectJson[] = [];
  let pageToken = "";
  do {
    const filter = `label = "${label}"`;
    const page = await call("ListObjects", { parent, filter, pageSize: 1000, pageToken });
    objects.push(...(page.objects as unknown as ObjectJson[]));
    pageToken = String(page.nextPageToken);
  } while (pageToken !== "");
  return objects;
}

async function create(call: JsonCall, template: JsonObject, count: number): Promise<string[]> {
  const { names } = await call("BatchCreateObjects", { parent, template, count });
  return names as string[];
}

describe.each([
  ["REST", "overRest"],
  ["gRPC", "overGrpc"],
] as const)("over %s", (_wire, wire) => {
  const call: JsonCall = (method, request) => wires[wire](method, request);

  it("makes objects like the template, and answers their names", async () => {
    const template = { size: "8192", regions: ["smem"], flags: ["CPU_CLEAR"], label: `few ${wire}` };
    const names = await create(call, template, 3);
    const objects = await listed(call, `few ${wire}`);
    expect(objects.map(({ name }) => name)).toEqual(names);
    const expected = { ...template, flags: ["USER", "CPU_CLEAR"], state: "UNPOPULATED" };
    expect(objects).toMatchObject([expected, expected, expected]);
  });

  it("takes as many objects as one batch may have, in every method", async () => {
    const label = `many ${wire}`;
    const names = await create(call, { size: "1", regions: ["smem"], label }, BATCH_OBJECTS_MAX);
    expect(new Set(names).size).toBe(BATCH_OBJECTS_MAX);
    const pins = async () => new Set((await listed(call, label)).map(({ pinCount }) => pinCount));
    expect(await call("BatchPinObjects", { parent, names })).toEqual({});
    expect(await pins()).toEqual(new Set([1]));
    expect(await call("BatchUnpinObjects", { parent, names })).toEqual({});
    expect(await pins()).toEqual(new Set([0]));
    expect(await call("BatchDeleteObjects", { parent, names })).toEqual({});
    expect(await listed(call, label)).toEqual([]);
  });

  it("pins none when one finds no room", async () => {
    const label = `too much ${wire}`;
    const names = await create(call, { size: String(8 * MIB), label }, 5);
    const refusal = await refusalOf(call("BatchPinObjects", { parent, names, region: "lmem0" }));
    expect(refusal).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "REGION_FULL" });
    expect((await listed(call, label)).map(({ pinCount }) => pinCount)).toEqual([0, 0, 0, 0, 0]);
    await call("BatchDeleteObjects", { parent, names });
    device.checkInvariants();
  });

  it("pins in the region that is named", async () => {
    const label = `placed ${wire}`;
    const names = await create(call, { size: String(64 * KIB), label }, 2);
    await call("BatchPinObjects", { parent, names, region: "smem" });
    expect(await listed(call, label)).toMatchObject([{ region: "smem" }, { region: "smem" }]);
    await call("BatchUnpinObjects", { parent, names });
    await call("BatchDeleteObjects", { parent, names });
  });

  it("is refused while the device sleeps", async () => {
    const names = await create(call, { size: "1" }, 1);
    await device.execute({ type: "suspend", state: "S3" });
    for (const [method, request] of [
      ["BatchCreateObjects", { template: { size: "1" }, count: 1 }],
      ["BatchPinObjects", { names }],
      ["BatchUnpinObjects", { names }],
      ["BatchDeleteObjects", { names }],
    ] as const) {
      const refusal = await refusalOf(call(method, { parent, ...request } as JsonObject));
      expect(refusal, method).toMatchObject({ code: "FAILED_PRECONDITION", reason: "DEVICE_SUSPENDED" });
    }
    await device.execute({ type: "resume" });
  });
});

describe("a batch during a transition", () => {
  const ofOne = (name: string) => ({ names: [name] });

  it.each([
    ["BatchCreateObjects", () => ({ template: { size: "1" }, count: 1 })],
    ["BatchPinObjects", ofOne],
    ["BatchUnpinObjects", ofOne],
    ["BatchDeleteObjects", ofOne],
  ] as const)("%s is held when it asks to be", async (method, request) => {
    const fake = new FakeDevice();
    await using fakeWires = await startWires([fake]);
    const names = await create(fakeWires.overRest, { size: "1" }, 2);
    if (method === "BatchUnpinObjects") await fakeWires.overRest("BatchPinObjects", { parent, names });
    fake.commands.length = 0;
    await fakeWires.overRest(method, { parent, ...request(names[0]) });
    await fakeWires.overGrpc(method, { parent, ...request(names[1]), holdDuringTransition: true });
    const holds = fake.commands.map((command) => ("hold" in command ? command.hold : "not said"));
    expect(holds).toEqual(["not said", "transition"]);
  });
});
