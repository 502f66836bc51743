/** Request ids over both wires: what is repeated is done once and answered alike. */
import { createHash, randomUUID } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { DeviceError } from "../../../src/device/errors.ts";
import { VirtualClock } from "../../../src/device/mod.ts";
import { type IdentifiedCall, RequestLedger } from "../../../src/server/api/idempotency.ts";
import { Authenticator } from "../../../src/server/auth/authenticator.ts";
import { RPC_ACCESS } from "../../../src/server/auth/rpc-access.ts";
import { toFailure, WireError } from "../../../src/server/messages/wire-error.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";

let device: FakeDevice;
let wires: Wires;

beforeAll(async () => {
  device = new FakeDevice();
  wires = await startWires([device]);
});
afterAll(() => wires[Symbol.asyncDispose]());
beforeEach(() => {
  device.commands.length = 0;
  device.failures.clear();
  device.gate = () => undefined;
});

function create(over: JsonCall, requestId: string, size = "4096"): Promise<JsonObject> {
  return over("CreateObject", { parent: DEVICE, size, requestId });
}

describe.each(["overRest", "overGrpc"] as const)("%s, a repetition", (wire) => {
  const over: JsonCall = (method, request) => wires[wire](method, request);

  it("is answered as the first call was, over either wire, and done once", async () => {
    const requestId = randomUUID();
    const first = await create(over, requestId);
    expect(await create(wires.overRest, requestId.toUpperCase())).toEqual(first);
    expect(await create(wires.overGrpc, requestId)).toEqual(first);
    expect(device.commands).toHaveLength(1);
    expect((await create(over, randomUUID())).name).not.toBe(first.name);
  });

  it("that comes while the first call runs waits for it", async () => {
    let open = () => {};
    device.gate = () => new Promise((resolve) => (open = resolve));
    const requestId = randomUUID();
    const calls = [create(over, requestId), create(over, requestId)];
    await expect.poll(() => device.commands.length).toBe(1);
    open();
    const [first, second] = await Promise.all(calls);
    expect(second).toEqual(first);
    expect(device.commands).toHaveLength(1);
  });

  it("with another body is refused, also while the first runs; of another method it is another call", async () => {
    const requestId = randomUUID();
    const { name } = await create(over, requestId);
    expect(await refusalOf(create(over, requestId, "8192"))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "REQUEST_ID_REUSED",
      metadata: { requestId },
    });
    await over("PinObject", { name: String(name), requestId });
    expect(device.commands.map(({ type }) => type)).toEqual(["createObject", "pinObject"]);
  });

  it.each([
    ["INTERNAL", true],
    ["COPY_FAILED", true],
    ["INVALID_SIZE", true],
    ["TRANSITION_CANCELLED", true],
    ["DEVICE_SUSPENDED", false],
    ["DEVICE_TRANSITION", false],
    ["REGION_FULL", false],
    ["TRANSITION_IN_PROGRESS", false],
  ] as const)("of a call that failed with %s is answered by that failure: %s", async (reason, isDefinite) => {
    const requestId = randomUUID();
    device.failures.set("createObject", new DeviceError(reason, "A test said so."));
    expect((await refusalOf(create(over, requestId))).reason).toBe(reason);
    device.failures.clear();
    const again = await create(over, requestId).catch((error: unknown) => error);
    expect(again).toMatchObject(isDefinite ? { reason, message: "A test said so." } : { size: "4096" });
  });

  it("needs a UUID", async () => {
    const refusal = await refusalOf(create(over, "again"));
    expect(refusal).toMatchObject({ reason: "INVALID_REQUEST", metadata: { field: "requestId" } });
    expect(device.commands).toEqual([]);
  });
});

describe("the header Idempotency-Key", () => {
  function post(key: string, body: JsonObject): Promise<Response> {
    const init = { method: "POST", headers: { "idempotency-key": key }, body: JSON.stringify(body) };
    return fetch(`${wires.baseUrl}/v1/${DEVICE}/objects`, init);
  }

  it("stands for requestId, with or without quotes", async () => {
    const requestId = randomUUID();
    const answers = [
      await post(requestId, { size: "1" }),
      await post(`"${requestId}"`, { size: "1", requestId }),
    ];
    const [first, second] = await Promise.all(answers.map((answer) => answer.json()));
    expect(second).toEqual(first);
    expect(await create(wires.overGrpc, requestId, "1")).toEqual(first);
  });

  it("is refused when requestId says something else, and means nothing to a method that changes nothing", async () => {
    const refused = await post(randomUUID(), { size: "1", requestId: randomUUID() });
    expect(refused.status).toBe(400);
    const headers = { "idempotency-key": "any" };
    expect((await fetch(`${wires.baseUrl}/v1/${DEVICE}`, { headers })).status).toBe(200);
  });

  it("is known to every method that changes something", async () => {
    const requestId = randomUUID();
    const { name } = await create(wires.overRest, randomUUID());
    for (let at = 0; at < 2; at++) await wires.overRest("DeleteObject", { name: String(name), requestId });
    expect(device.commands.map(({ type }) => type)).toEqual(["createObject", "deleteObject"]);
  });
});

it("every unary method that changes something has a request id, and no other has", () => {
  const methods = [...REGISTRY]
    .flatMap((desc) => (desc.kind === "service" ? desc.methods : []))
    .filter(({ methodKind }) => methodKind === "unary");
  const withId = methods.filter(({ input }) => input.fields.some(({ name }) => name === "request_id"));
  const changing = methods.filter(
    (method) => RPC_ACCESS[`${method.parent.typeName}/${method.name}`]?.changes,
  );
  expect(withId.map(({ name }) => name)).toEqual(changing.map(({ name }) => name));
});

describe("callers that are told apart", () => {
  const tokens = ["one", "other"].map((name) => ({
    name,
    role: "operator" as const,
    digest: createHash("sha256").update(name).digest(),
    expiresMs: undefined,
  }));
  const authenticator = new Authenticator({ table: () => ({ tokens, clients: undefined }) });

  it("do not share request ids: each call is done, and answered to its caller", async () => {
    await using guarded = await startWires([new FakeDevice()], { gate: { authenticator } });
    const requestId = randomUUID();
    const createAs = async (token: string, size: number) => {
      const headers = { authorization: `Bearer ${token}`, "idempotency-key": requestId };
      const init = { method: "POST", headers, body: JSON.stringify({ size }) };
      const response = await fetch(`${guarded.baseUrl}/v1/${DEVICE}/objects`, init);
      expect(response.status).toBe(200);
      const { name } = (await response.json()) as JsonObject;
      return name;
    };
    const name = await createAs("one", 4096);
    expect(await createAs("one", 4096)).toBe(name);
    expect(await createAs("other", 8192)).not.toBe(name);
  });
});

describe("the ledger", () => {
  const clock = () => new VirtualClock({ settle: () => new Promise((resolve) => setImmediate(resolve)) });
  const call = (): IdentifiedCall => ({ method: "/a/B", requestId: randomUUID(), body: new Uint8Array(1) });
  const answer = (bytes: number) => async () => Buffer.alloc(bytes, 1);
  const fail = () => Promise.reject(new Error("this must not run"));

  it("forgets after a time, and the oldest when there are too many or too large", async () => {
    const time = clock();
    const ledger = new RequestLedger(time, { callsMax: 3, bytesMax: 10_000, keptMs: 1000 });
    const calls = [call(), call(), call(), call()];
    for (const each of calls) await ledger.run(each, answer(1));
    expect(await ledger.run(calls[1], fail)).toHaveLength(1);
    expect(await ledger.run(calls[0], answer(2))).toHaveLength(2);
    await ledger.run(call(), answer(7_500));
    expect(await ledger.run(calls[0], fail)).toHaveLength(2);
    expect(await ledger.run(calls[3], answer(3))).toHaveLength(3);
    await time.run(new Promise<void>((resolve) => void time.startTimer(1001, resolve)));
    expect(await ledger.run(calls[3], answer(4))).toHaveLength(4);
  });

  it("keeps no more than the plain fields of a refusal, and answers the same again", async () => {
    const ledger = new RequestLedger(clock());
    const text = "\u00e9".repeat(20_000);
    const metadata = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`field${index}`, text]));
    const refuse = () =>
      Promise.reject(new WireError("INVALID_REQUEST", text, metadata).withHttpStatus(413).because(text));
    const calls = Array.from({ length: 300 }, call);
    for (const each of calls) await expect(ledger.run(each, refuse)).rejects.toThrow();
    const again: unknown = await ledger.run(calls[0], fail).catch((error: unknown) => error);
    expect(toFailure(again)).toEqual(
      toFailure(new WireError("INVALID_REQUEST", text, metadata).withHttpStatus(413)),
    );
    expect(again).not.toHaveProperty("cause");
    // The texts are cut to 1 KiB and 16 times 256 bytes; the rest is names, the key and the overhead.
    expect(ledger.rememberedBytes / calls.length).toBeGreaterThan(1024 + 16 * 256);
    expect(ledger.rememberedBytes / calls.length).toBeLessThan(8 * 1024);
  });

  it("forgets a caller's own calls when they are more than an eighth", async () => {
    const ledger = new RequestLedger(clock(), { callsMax: 16, bytesMax: 80_000 });
    const of = (caller: string) => ({ ...call(), caller });
    const quiet = [of("quiet"), of("quiet")];
    for (const each of quiet) await ledger.run(each, answer(1));
    const loud = Array.from({ length: 40 }, () => of("loud"));
    for (const each of loud) await ledger.run(each, answer(1));
    for (const each of [...quiet, ...loud.slice(-2)]) expect(await ledger.run(each, fail)).toHaveLength(1);
    expect(await ledger.run(loud[37], answer(2))).toHaveLength(2);
    await ledger.run(of("loud"), answer(11_000));
    expect(await ledger.run(quiet[0], fail)).toHaveLength(1);
    expect(await ledger.run(loud[39], answer(3))).toHaveLength(3);
  });

  it("gives a call up when the last who waits for it has gone, and begins anew for who comes later", async () => {
    const ledger = new RequestLedger(clock());
    const identified = call();
    let runs = 0;
    const work = (signal: AbortSignal) =>
      new Promise<Buffer>((_resolve, reject) => {
        runs++;
        signal.addEventListener("abort", () => reject(new WireError("CALL_CANCELLED", "Nobody waits.")));
      });
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [ledger.run(identified, work, first.signal), ledger.run(identified, work, second.signal)];
    const settled = Promise.allSettled(waiting);
    first.abort();
    const third = new AbortController();
    const joined = ledger.run(identified, work, third.signal);
    third.abort();
    await new Promise(setImmediate);
    expect(runs).toBe(1);
    second.abort();
    const late = ledger.run(identified, answer(5));
    expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await expect(joined).rejects.toMatchObject({ reason: "CALL_CANCELLED" });
    expect(await late).toHaveLength(5);
    expect(runs).toBe(1);
  });
});
