/** Preconditions over both wires: etags, and callers that go away while their call is held. */

import { once } from "node:events";
import type { JsonObject } from "@bufbuild/protobuf";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EngineServiceClient, WaitFenceRequest } from "../../../src/contract/gen/torpor/v1/engine.ts";
import { CreateObjectRequest } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { bootThreaded, type TestDevice } from "../../support/test-device.ts";
import { refusalOf, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";

let gpu: TestDevice;
let wires: Wires;

beforeAll(async () => {
  gpu = await bootThreaded({ engineForm: "in-process" });
  wires = await startWires([gpu.device]);
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  await gpu.device.close();
});
beforeEach(() => gpu.execute({ type: "resetDevice", scope: "FACTORY" }));

describe.each(["overRest", "overGrpc"] as const)("%s, an etag", (wire) => {
  it("is looked at by every method that takes one", async () => {
    const { name, etag } = await wires[wire]("CreateObject", { parent: DEVICE, size: "4096" });
    const target = { name: String(name), etag: String(etag) };
    const pinned = await wires[wire]("PinObject", target);
    expect(pinned.etag).not.toBe(etag);
    const calls: readonly (readonly [string, JsonObject])[] = [
      ["PinObject", {}],
      ["UnpinObject", {}],
      ["MoveObject", { region: "smem" }],
      ["AdviseObject", { advice: "DONT_NEED" }],
      ["DeleteObject", {}],
    ];
    for (const [method, fields] of calls) {
      expect(await refusalOf(wires[wire](method, { ...target, ...fields })), method).toMatchObject({
        code: "ABORTED",
        reason: "ETAG_MISMATCH",
        metadata: { etag: pinned.etag },
      });
    }
    await wires[wire]("UnpinObject", { name: String(name), etag: String(pinned.etag) });
  });
});

describe("the header If-Match", () => {
  it("stands for etag, and an asterisk for any", async () => {
    const { name, etag } = await wires.overRest("CreateObject", { parent: DEVICE, size: "4096" });
    const pin = (ifMatch: string) =>
      fetch(`${wires.baseUrl}/v1/${name}:pin`, { method: "POST", headers: { "if-match": ifMatch } });
    expect((await pin(String(etag))).status).toBe(200);
    expect((await pin(String(etag))).status).toBe(409);
    expect((await pin("*")).status).toBe(200);
  });

  it("may name several etags, of which any is enough", async () => {
    const { name, etag } = await wires.overRest("CreateObject", { parent: DEVICE, size: "4096" });
    const pin = (ifMatch: string) =>
      fetch(`${wires.baseUrl}/v1/${name}:pin`, { method: "POST", headers: { "if-match": ifMatch } });
    expect((await pin('"x", "y"')).status).toBe(409);
    expect((await pin(`W/${String(etag)}`)).status).toBe(409);
    expect((await pin(`"x" ,${String(etag)},"y"`)).status).toBe(200);
    expect((await pin(`"x", ${String(etag)}`)).status).toBe(409);
  });
});

describe("the header ETag", () => {
  it("says what the field etag of a resource says, and If-Match takes it", async () => {
    const url = `${wires.baseUrl}/v1/${DEVICE}`;
    const made = await fetch(`${url}/objects`, { method: "POST", body: '{"size":4096}' });
    const object = (await made.json()) as { name: string; etag: string };
    expect(made.headers.get("etag")).toBe(object.etag);
    const ifMatch = { "if-match": String(made.headers.get("etag")) };
    const pinned = await fetch(`${wires.baseUrl}/v1/${object.name}:pin`, {
      method: "POST",
      headers: ifMatch,
    });
    expect(pinned.status).toBe(200);
    expect(pinned.headers.get("etag")).not.toBe(object.etag);
    // Twice, because an answer is kept.
    for (let time = 0; time < 2; time++) {
      const device = await fetch(url);
      expect(device.headers.get("etag")).toBe(((await device.json()) as { etag: string }).etag);
    }
    expect((await fetch(`${url}/objects`)).headers.get("etag")).toBeNull();
  });

  it("is another one, with another answer over either wire, when the device has changed", async () => {
    const seen: unknown[] = [];
    const look = async () => {
      for (const wire of ["overRest", "overGrpc"] as const)
        seen.push(await wires[wire]("GetDevice", { name: DEVICE }));
      expect(seen.at(-1)).toEqual(seen.at(-2));
    };
    await look();
    await wires.overRest("Suspend", { name: DEVICE, state: "S3", wait: "60s" });
    await look();
    expect(seen.at(-1)).toMatchObject({ powerState: "SUSPENDED", sleepState: "S3" });
    await wires.overGrpc("Resume", { name: DEVICE, wait: "60s" });
    await look();
    expect(seen.at(-1)).toMatchObject({ powerState: "ACTIVE", sleepState: "SLEEP_STATE_UNSPECIFIED" });
  });
});

describe("the header If-Match of a request that takes no etag", () => {
  it.each([
    ["POST", `${DEVICE}:suspend`, "Suspend takes no etag"],
    ["PATCH", `${DEVICE}/runtimePm`, "UpdateRuntimePm takes no etag"],
    ["PUT", `${DEVICE}/objects/1/content`, "Content takes no etag"],
  ])("keeps a %s of %s from being carried out", async (method, path, sentence) => {
    const answer = await fetch(`${wires.baseUrl}/v1/${path}`, { method, headers: { "if-match": '"1"' } });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining(sentence) } });
    expect(await wires.overRest("GetDevice", { name: DEVICE })).toMatchObject({ powerState: "ACTIVE" });
  });

  it("says nothing to one that only looks, nor when any will do", async () => {
    const get = (ifMatch: string) =>
      fetch(`${wires.baseUrl}/v1/${DEVICE}`, { headers: { "if-match": ifMatch } });
    expect((await get('"1"')).status).toBe(200);
    const reset = { method: "POST", headers: { "if-match": "*" } };
    expect((await fetch(`${wires.baseUrl}/v1/${DEVICE}:reset`, reset)).status).toBe(200);
  });
});

describe("the device is told that nobody waits for a held call any more", () => {
  const request = { parent: DEVICE, size: 4096n, holdDuringTransition: true };
  let fake: FakeDevice;
  let fakeWires: Wires;
  /** Resolves when the command has come in and its caller has gone away. */
  let left: Promise<unknown>;

  beforeAll(async () => {
    fake = new FakeDevice();
    fakeWires = await startWires([fake]);
  });
  afterAll(() => fakeWires[Symbol.asyncDispose]());

  /** Resolves when the next command that says who waits for it has come in. */
  function nextCommand(): Promise<void> {
    return new Promise((arrived) => {
      fake.gate = (command) => {
        const signal = "signal" in command ? command.signal : undefined;
        if (signal === undefined) return undefined;
        left = once(signal, "abort");
        arrived();
        return left.then(() => undefined);
      };
    });
  }

  it.each([
    ["POST", "objects", JSON.stringify({ size: "4096", holdDuringTransition: true })],
    ["GET", "objects/1/content?holdDuringTransition=true", null],
    ["PUT", "objects/1/content?holdDuringTransition=true", "some bytes"],
  ])("when a REST client goes away from a %s of %s", async (method, path, body) => {
    await fakeWires.overRest("CreateObject", { parent: DEVICE, size: "4096" });
    const arrived = nextCommand();
    const gone = new AbortController();
    const url = `${fakeWires.baseUrl}/v1/${DEVICE}/${path}`;
    const failed = expect(fetch(url, { method, body, signal: gone.signal })).rejects.toThrow();
    await arrived;
    gone.abort();
    await Promise.all([failed, left]);
    fake.gate = () => undefined;
  });

  it.each(["goes away", "has waited until its deadline"])("when a gRPC client %s", async (how) => {
    const arrived = nextCommand();
    const message = CreateObjectRequest.create(request);
    const options = how === "goes away" ? {} : { deadline: Date.now() + 300 };
    const code = new Promise((resolve) => {
      const call = fakeWires.memory.createObject(message, new Metadata(), options, (error) =>
        resolve(error?.code),
      );
      if (how === "goes away") void arrived.then(() => call.cancel());
    });
    expect(await code).toBe(how === "goes away" ? status.CANCELLED : status.DEADLINE_EXCEEDED);
    await arrived;
    await left;
  });
});

describe.each(["REST", "gRPC"])("over %s, a wait for a fence", (wire) => {
  it("ends when its client goes away, and gives the place of the call back", async () => {
    await using own = await startWires([gpu.device], { gate: { callsMax: 1 } });
    const { name: object } = await own.overRest("CreateObject", { parent: DEVICE, size: "4096" });
    const { name: context } = await own.overRest("CreateContext", { parent: DEVICE, engine: "bcs0" });
    // Nobody will ever write the value that it waits for.
    const commands = [{ waitSemaphore: { object: String(object), offset: "0", value: 1 } }];
    const fence = await own.overRest("SubmitWork", { name: String(context), commands });
    const name = String(fence.name);
    if (wire === "REST") {
      const url = `${own.baseUrl}/v1/${name}:wait`;
      const body = JSON.stringify({ timeout: "3600s" });
      const waiting = fetch(url, { method: "POST", body, signal: AbortSignal.timeout(50) });
      await expect(waiting).rejects.toThrow();
    } else {
      const message = WaitFenceRequest.create({ name, timeout: { seconds: 3600n, nanos: 0 } });
      const engines = new EngineServiceClient(own.grpcAddress, credentials.createInsecure());
      const deadline = Date.now() + 50;
      const code = await new Promise((resolve) =>
        engines.waitFence(message, new Metadata(), { deadline }, (error) => resolve(error?.code)),
      );
      engines.close();
      expect(code).toBe(status.DEADLINE_EXCEEDED);
    }
    const isFree = () =>
      own.overRest("GetFence", { name }).then(
        ({ state }) => state === "PENDING",
        () => false,
      );
    await expect.poll(isFree, { timeout: 5_000, interval: 20 }).toBe(true);
  });
});
