/**
 * Every RPC in every power state, over both wires: who is answered, who is refused and with what, who may wait, who wakes the
 * device. The rows are in test/support/rpc-cases.ts. Over REST each answer is held to the OpenAPI document, too.
 */
import { fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readBindings } from "../../../src/contract/http-bindings.ts";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { Failpoints } from "../../../src/device/mod.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import { callAny } from "../../support/any-call.ts";
import { FakeImages, threeImages } from "../../support/fake-images.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { decodeStatus } from "../../support/grpc-errors.ts";
import { undocumented } from "../../support/openapi-answers.ts";
import { type Named, RPC_CASES } from "../../support/rpc-cases.ts";
import { newStore } from "../../support/snapshots.ts";
import { bootThreaded, MIB, type TestDevice } from "../../support/test-device.ts";
import { restRequest, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";
const WIRES = ["REST", "gRPC"] as const;
type Wire = (typeof WIRES)[number];

const BINDINGS = readBindings(REGISTRY);
const CASES = Object.entries(RPC_CASES);
const FREE = CASES.filter(([, { answers }]) => answers === "free");
const ACCESS = CASES.filter(([, { answers }]) => answers === "access");
const POWER = CASES.flatMap(([rpc, { answers }]) =>
  typeof answers === "string" ? [] : [[rpc, answers] as const],
);

interface Answer {
  /** "OK", or the reason. */
  readonly is: string;
  readonly code: string;
  /** Whether it says when to try again. */
  readonly retry: boolean;
}

const crash = () => {
  throw new Error("no test asked for a crash");
};
const images = new FakeImages();
const snapshots = newStore();
/** Of the device: a transition stops here. */
const moments = new Failpoints({ clock: systemClock, crash });

let gpu: TestDevice;
let wires: Wires;
let named: Named;

beforeAll(async () => {
  gpu = await bootThreaded({
    engineForm: "in-process",
    lmem: [{ sizeBytes: 8 * MIB }],
    smem: { sizeBytes: 16 * MIB },
    failpoints: moments.forDevice("card0"),
    snapshots,
  });
  // Failpoints of their own, so that a call which resets them lets no transition go.
  wires = await startWires([gpu.device], {
    images,
    snapshots,
    failpoints: new Failpoints({ clock: systemClock, crash }),
  });
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  gpu.device.checkInvariants();
  await gpu.device.close();
});

/** Brings the device back to where each case begins. */
async function begin(): Promise<void> {
  moments.reset();
  images.records = threeImages();
  await wires.overGrpc("UpdateRuntimePm", {
    runtimePm: { name: `${DEVICE}/runtimePm`, enabled: false, d3coldThreshold: "4096" },
  });
  await wires.overGrpc("ResetDevice", { name: DEVICE, scope: "FACTORY" });
  const suspended = await wires.overGrpc("Suspend", { name: DEVICE });
  await wires.overGrpc("Resume", { name: DEVICE });
  const object = `${DEVICE}/objects/${await gpu.upload(new Uint8Array(4096).fill(7))}`;
  const pinned = `${DEVICE}/objects/${await gpu.upload(new Uint8Array(4096).fill(8))}`;
  await wires.overGrpc("PinObject", { name: pinned });
  const { name: context } = await wires.overGrpc("CreateContext", { parent: DEVICE, engine: "bcs0" });
  const commands = [{ fill: { object, length: "4096", pattern: 7 } }];
  const { name: fence } = await wires.overGrpc("SubmitWork", {
    name: String(context),
    commands,
    wait: "10s",
  });
  for (const { id } of snapshots.list()) snapshots.delete(id);
  for (const snapshotId of ["one", "other"])
    await wires.overGrpc("SnapshotDevice", { name: DEVICE, snapshotId });
  named = {
    object,
    pinned,
    context: String(context),
    fence: String(fence),
    transition: String(suspended.name),
  };
}

async function call(wire: Wire, rpc: string, more: JsonObject = {}): Promise<Answer> {
  const request = { ...RPC_CASES[rpc]?.request(named), ...more };
  return wire === "REST" ? overRest(rpc, request) : overGrpc(rpc, request);
}

async function overRest(rpc: string, request: JsonObject): Promise<Answer> {
  const { path, init } = restRequest(rpc.split("/")[1] ?? "", request);
  const response = await fetch(`${wires.baseUrl}${path}`, init);
  if (response.headers.get("content-type")?.startsWith("application/json") !== true) {
    // Content, or a stream without an end.
    await response.body?.cancel();
    return { is: "OK", code: "OK", retry: false };
  }
  const json: unknown = await response.json();
  expect(undocumented(rpc, response.status, json), rpc).toEqual([]);
  if (response.ok) return { is: "OK", code: "OK", retry: false };
  const { error } = json as { error: { status: string; details: { reason: string }[] } };
  const retry = error.details.length === 2 && response.headers.has("retry-after");
  return { is: error.details[0]?.reason ?? "", code: error.status, retry };
}

async function overGrpc(rpc: string, request: JsonObject): Promise<Answer> {
  const input = BINDINGS.find((binding) => binding.rpc === rpc)?.method.input;
  if (input === undefined) throw new Error(`There is no RPC ${rpc}.`);
  const target = { address: wires.grpcAddress, credentials: credentials.createInsecure() };
  const ending = await callAny(target, rpc, {}, toBinary(input, fromJson(input, request)));
  const [bytes] = ending.metadata.get("grpc-status-details-bin");
  const details = Buffer.isBuffer(bytes) ? decodeStatus(bytes).details : [];
  const retry = details.some(({ type }) => type === "RetryInfo");
  return { is: ending.reason ?? ending.code, code: ending.code, retry };
}

const look = () => gpu.execute({ type: "getDevice" });

/** Starts a suspend that stops in its middle. Answers its name. */
async function beginSuspend(): Promise<string> {
  moments.arm("evict.after", { ...ERROR_ONCE, action: "HANG" });
  const { name } = await wires.overGrpc("Suspend", { name: DEVICE, wait: "0s" });
  while (moments.get("evict.after").hits === 0) await new Promise((resolve) => setImmediate(resolve));
  return String(name);
}

/** Has the device suspend itself. */
async function fallAsleep(): Promise<void> {
  const runtimePm = { name: `${DEVICE}/runtimePm`, enabled: true, autosuspendDelay: "0.001s" };
  await wires.overGrpc("UpdateRuntimePm", { runtimePm });
  while ((await runtimeStatus()) !== "SUSPENDED") await new Promise((resolve) => setTimeout(resolve, 1));
  // From now on it stays awake once it is woken.
  await wires.overGrpc("UpdateRuntimePm", { runtimePm: { ...runtimePm, autosuspendDelay: "3600s" } });
}

async function runtimeStatus(): Promise<unknown> {
  return (await wires.overGrpc("GetRuntimePm", { name: `${DEVICE}/runtimePm` })).status;
}

it("has a row for every RPC, and no other", () => {
  expect(Object.keys(RPC_CASES).toSorted()).toEqual(BINDINGS.map(({ rpc }) => rpc).toSorted());
});

it("sees an answer that is not as documented", () => {
  const rpc = "torpor.v1.DeviceService/GetDevice";
  expect(undocumented(rpc, 200, { name: DEVICE, wedged: "no" })).toEqual(["/wedged must be boolean"]);
  expect(undocumented(rpc, 200, { name: DEVICE, colour: "red" })).not.toEqual([]);
  expect(undocumented(rpc, 201, {})).not.toEqual([]);
});

describe.each(WIRES)("over %s", (wire) => {
  describe("an ACTIVE device", () => {
    beforeEach(begin);

    it.each([...FREE, ...ACCESS])("answers %s", async (rpc) => {
      expect(await call(wire, rpc)).toMatchObject({ is: "OK" });
    });
  });

  describe("while a suspend runs", () => {
    let running: string;
    beforeAll(async () => {
      await begin();
      running = await beginSuspend();
    });
    afterAll(() => moments.reset());

    it.each(FREE)("%s is answered at once", async (rpc) => {
      expect(await call(wire, rpc)).toMatchObject({ is: "OK" });
      expect(await look()).toMatchObject({ powerState: "SUSPENDING" });
    });

    it.each(ACCESS)("%s is refused, and may be tried again", async (rpc) => {
      expect(await call(wire, rpc)).toEqual({ is: "DEVICE_TRANSITION", code: "UNAVAILABLE", retry: true });
    });

    it.each(POWER)("%s is answered %o", async (rpc, answers) => {
      expect(await call(wire, rpc)).toMatchObject({ is: answers.running });
      expect(await look()).toMatchObject({ powerState: "SUSPENDING", transition: running.split("/")[3] });
    });
  });

  describe("a call that asks to be held while a suspend runs", () => {
    beforeEach(begin);

    it.each(ACCESS)("%s waits for its end, and is done", async (rpc) => {
      const running = await beginSuspend();
      let isOver = false;
      const answer = call(wire, rpc, { holdDuringTransition: true }).finally(() => {
        isOver = true;
      });
      // One that does not ask is refused in the meantime.
      await call(wire, rpc);
      expect(isOver).toBe(false);
      const transition = running.split("/")[3] ?? "";
      const cancelled = gpu.execute({ type: "cancelTransition", transition });
      moments.reset();
      await cancelled;
      expect(await answer).toMatchObject({ is: "OK" });
    });
  });

  describe("a device that is suspended", () => {
    beforeAll(async () => {
      await begin();
      await wires.overGrpc("Suspend", { name: DEVICE });
    });

    it.each(FREE)("answers %s", async (rpc) => {
      expect(await call(wire, rpc)).toMatchObject({ is: "OK" });
    });

    it.each(ACCESS)("refuses %s at once, held or not", async (rpc) => {
      const refused = { is: "DEVICE_SUSPENDED", code: "FAILED_PRECONDITION", retry: false };
      expect(await call(wire, rpc)).toEqual(refused);
      expect(await call(wire, rpc, { holdDuringTransition: true })).toEqual(refused);
    });

    it.each(POWER)("answers %s with %o", async (rpc, answers) => {
      expect(await call(wire, rpc)).toMatchObject({ is: answers.suspended });
      expect(await look()).toMatchObject({ powerState: "SUSPENDED" });
    });
  });

  describe("a device that has suspended itself", () => {
    beforeEach(async () => {
      await begin();
      await fallAsleep();
    });

    it.each(FREE.filter(([rpc]) => !rpc.endsWith("/UpdateRuntimePm")))("is not woken by %s", async (rpc) => {
      expect(await call(wire, rpc)).toMatchObject({ is: "OK" });
      expect(await runtimeStatus()).toBe("SUSPENDED");
    });

    it.each(ACCESS)("is woken by %s", async (rpc) => {
      expect(await call(wire, rpc)).toMatchObject({ is: "OK" });
      expect(await runtimeStatus()).toBe("ACTIVE");
    });
  });
});
