/** The TypeScript client against a daemon: every method, errors, retries, content. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RETRY_DELAY_MS_MAX } from "../../../src/client/limits.ts";
import { UNARY_METHODS } from "../../../src/client/methods.ts";
import {
  Context_Priority,
  connect,
  Device_PowerState,
  Failpoint_Action,
  Fence_State,
  Object_Advice,
  Object_Flag,
  SleepState,
  type TorporClient,
  TorporError,
  Transition_State,
  toDuration,
  toMs,
} from "../../../src/client/mod.ts";
import { withRetries } from "../../../src/client/retry.ts";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";

const MIB = 2 ** 20;
const parent = "devices/card0";

let directory: string;
let daemon: TestDaemon;
let client: TorporClient;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "torpor-client-"));
  daemon = await startTestDaemon({ enableFaults: true, dataDirectory: directory });
  client = connect({ address: daemon.grpc });
});
afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** The error that a call rejects with. */
async function errorOf(call: Promise<unknown>): Promise<TorporError> {
  const error = await call.catch((reason: unknown) => reason);
  if (error instanceof TorporError) return error;
  throw new Error(`not a TorporError: ${String(error)}`);
}

async function* pieces(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function everythingOf<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await everythingOf(chunks));
}

function makeObject(size: number, flags: Object_Flag[] = []) {
  return client.createObject({ parent, size, flags });
}

/** Lets a suspend go on that hangs at a failpoint, to its end and back. */
async function letGo(): Promise<void> {
  await client.resetFailpoints();
  const { transition } = await client.getDevice({ name: parent });
  await everythingOf(client.followTransition(transition));
  await client.resume({ name: parent });
}

describe("the client", () => {
  it("has a function for every unary method of the contract", () => {
    const services = [...REGISTRY].flatMap((desc) =>
      desc.kind === "service" && desc.file.proto.package === "torpor.v1" ? desc.methods : [],
    );
    const unary = services
      .filter((method) => method.methodKind === "unary")
      .map((method) => method.localName);
    expect([...UNARY_METHODS.keys()].sort()).toEqual(unary.sort());
    for (const name of unary) expect(client).toHaveProperty(name, expect.any(Function));
  });

  it("looks at devices, regions and engines", async () => {
    expect((await client.listDevices()).devices.map(({ name }) => name)).toEqual([parent]);
    const device = await client.getDevice({ name: parent });
    expect(device.powerState).toBe(Device_PowerState.ACTIVE);
    const { regions } = await client.listRegions({ parent });
    expect(regions.map(({ size }) => size)).toEqual([64n * 2n ** 20n, 256n * 2n ** 20n]);
    expect(await client.getRegion({ name: `${parent}/regions/lmem0` })).toMatchObject({
      size: regions[0]?.size,
    });
    const { engines } = await client.listEngines({ parent });
    expect(await client.getEngine({ name: `${parent}/engines/rcs0` })).toEqual(engines[0]);
    expect((await client.resetEngine({ name: `${parent}/engines/vcs0` })).name).toContain("vcs0");
    expect((await client.resetDevice({ name: parent })).wedged).toBe(false);
  });

  it("makes, pins, moves, advises and deletes objects, one and many", async () => {
    const object = await client.createObject({
      parent,
      size: 65536,
      flags: [Object_Flag.CONTIGUOUS],
      label: "a",
    });
    const { name } = object;
    expect(object).toMatchObject({
      size: 65536n,
      label: "a",
      flags: [Object_Flag.USER, Object_Flag.CONTIGUOUS],
    });
    expect((await client.pinObject({ name })).pinCount).toBe(1);
    expect((await client.unpinObject({ name })).pinCount).toBe(0);
    expect((await client.moveObject({ name, region: "smem" })).region).toBe("smem");
    expect(await client.adviseObject({ name, advice: Object_Advice.WILL_NEED })).toEqual({ retained: true });
    expect((await client.checksumObject({ name })).size).toBe(65536n);
    expect(await client.getObject({ name })).toMatchObject({ name, region: "smem" });
    const made = await client.batchCreateObjects({ parent, template: { size: "65536" }, count: 3 });
    expect(made.names).toHaveLength(3);
    await client.batchPinObjects({ parent, names: made.names });
    await client.batchUnpinObjects({ parent, names: made.names });
    expect((await client.evictRegion({ name: `${parent}/regions/lmem0` })).objects).toBe(3);
    expect((await client.getUsage({ name: `${parent}/usage` })).accounts.length).toBeGreaterThan(0);
    await client.batchDeleteObjects({ parent, names: made.names });
    await client.deleteObject({ name });
    expect((await client.listObjects({ parent })).objects).toEqual([]);
  });

  it("runs work and waits for its fence", async () => {
    const { name: object } = await makeObject(65536);
    const context = await client.createContext({ parent, engine: "rcs0", priority: Context_Priority.HIGH });
    const { name } = context;
    const fence = await client.submitWork({
      name,
      commands: [
        { command: { $case: "fill", value: { object, offset: 0, length: 8, pattern: 0x01020304 } } },
      ],
    });
    const settled = await client.waitFence({ name: fence.name, timeout: toDuration(10_000) });
    expect(settled.state).toBe(Fence_State.SIGNALED);
    expect(await client.getFence({ name: fence.name })).toEqual(settled);
    expect([...(await collect(client.download(object, { length: 8 })))]).toEqual([4, 3, 2, 1, 4, 3, 2, 1]);
    expect((await client.getContext({ name })).priority).toBe(Context_Priority.HIGH);
    expect((await client.listContexts({ parent })).contexts).toHaveLength(1);
    await client.deleteContext({ name });
    await client.deleteObject({ name: object });
  });

  it("suspends, follows the transition and resumes", async () => {
    expect((await client.planSuspend({ name: parent })).feasible).toBe(true);
    const started = await client.suspend({ name: parent, state: SleepState.S3, wait: toDuration(0) });
    const seen = await everythingOf(client.followTransition(started.name));
    expect(seen.at(-1)?.state).toBe(Transition_State.SUCCEEDED);
    expect(await client.getTransition({ name: started.name })).toEqual(seen.at(-1));
    const trace = await client.getTransitionTrace({ name: started.name });
    expect(Buffer.from(trace.data).toString()).toContain("traceEvents");
    expect(await errorOf(client.cancelTransition({ name: started.name }))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "TRANSITION_NOT_CANCELLABLE",
    });
    expect((await client.resume({ name: parent })).state).toBe(Transition_State.SUCCEEDED);
    expect((await client.listTransitions({ parent, pageSize: 2 })).transitions).toHaveLength(2);
  });

  it("hibernates, shows the image and deletes what was consumed", async () => {
    await client.suspend({ name: parent, state: SleepState.S4 });
    const { images } = await client.listImages();
    const name = images[0]?.name ?? "";
    expect((await client.getImage({ name })).inUse).toBe(true);
    await client.resume({ name: parent });
    await client.deleteImage({ name });
    expect((await client.listImages()).images).toEqual([]);
  });

  it("sets what is given of runtime PM and of failpoints", async () => {
    const name = `${parent}/runtimePm`;
    const set = await client.updateRuntimePm({ runtimePm: { name, autosuspendDelay: toDuration(1500) } });
    expect(set.autosuspendDelay).toEqual({ seconds: 1n, nanos: 500_000_000 });
    expect(await client.getRuntimePm({ name })).toMatchObject({ enabled: false });
    const failpoint = "failpoints/evict.before";
    await client.armFailpoint({ name: failpoint, action: Failpoint_Action.ERROR, count: 1 });
    const { failpoints } = await client.listFailpoints();
    expect(failpoints.find(({ action }) => action === Failpoint_Action.ERROR)?.name).toBe(failpoint);
    expect((await client.disarmFailpoint({ name: failpoint })).action).toBe(0);
    await client.resetFailpoints();
  });
});

describe("an error", () => {
  it("has the daemon's code, reason, message and metadata", async () => {
    const error = await errorOf(client.getObject({ name: `${parent}/objects/999` }));
    expect(error).toMatchObject({
      name: "TorporError",
      code: "NOT_FOUND",
      reason: "OBJECT_NOT_FOUND",
      message: "Object 999 does not exist.",
      metadata: { object: "999" },
      retryDelayMs: undefined,
    });
  });

  it("says that nobody answers", async () => {
    using nobody = connect({ address: "127.0.0.1:1" });
    const error = await errorOf(nobody.listDevices());
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UNREACHABLE" });
    expect(error.message).toMatch(/^No daemon answers at 127\.0\.0\.1:1: .*ECONNREFUSED/);
  });

  it("says what is wrong where something else listens", async () => {
    using ofRest = connect({ address: new URL(daemon.url).host });
    expect((await errorOf(ofRest.listDevices())).message).toContain("REST has a port of its own");
    using withTls = connect({ address: daemon.grpc, tls: {} });
    expect((await errorOf(withTls.listDevices())).message).toContain("does not speak TLS");
  });

  it("ends a call at its deadline, and when the caller aborts it", async () => {
    await client.armFailpoint({ name: "failpoints/evict.before", action: Failpoint_Action.HANG, count: 1 });
    const error = await errorOf(client.suspend({ name: parent }, { timeoutMs: 100 }));
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "DEADLINE_EXCEEDED" });
    await letGo();
    const aborted = client.listDevices({}, { signal: AbortSignal.abort() });
    expect(await errorOf(aborted)).toMatchObject({ code: "CANCELLED", reason: "CANCELLED" });
  });
});

describe("a retry", () => {
  it("is made while a transition runs, and the call takes effect once", async () => {
    await client.armFailpoint({
      name: "failpoints/evict.before",
      action: Failpoint_Action.DELAY,
      delay: toDuration(400),
      count: 1,
    });
    await client.suspend({ name: parent, wait: toDuration(0) });
    // Refused with RetryInfo until the suspend has ended; then the device sleeps, which no retry changes.
    const error = await errorOf(makeObject(65536));
    expect(error).toMatchObject({ reason: "DEVICE_SUSPENDED", retryDelayMs: undefined });
    await client.resume({ name: parent });
    expect((await client.listObjects({ parent })).objects).toEqual([]);
  });

  it("is not made where the caller wants none", async () => {
    await client.armFailpoint({ name: "failpoints/evict.before", action: Failpoint_Action.HANG, count: 1 });
    await client.suspend({ name: parent, wait: toDuration(0) });
    const error = await errorOf(client.createObject({ parent, size: 65536 }, { retriesMax: 0 }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "DEVICE_TRANSITION", retryDelayMs: 250 });
    await letGo();
  });

  it("is made as often as allowed, and only where a delay was given", async () => {
    const limits = { retriesMax: 3, deadlineMs: performance.now() + RETRY_DELAY_MS_MAX };
    const facts = { code: "UNAVAILABLE", reason: "X", message: "Not now." } as const;
    let attempts = 0;
    const attempt = (retryDelayMs?: number) => () => {
      attempts += 1;
      return Promise.reject(new TorporError({ ...facts, retryDelayMs }));
    };
    await expect(withRetries(attempt(1), limits)).rejects.toThrow("Not now.");
    expect(attempts).toBe(4);
    await expect(withRetries(attempt(), limits)).rejects.toThrow("Not now.");
    expect(attempts).toBe(5);
    const expired = { ...limits, deadlineMs: performance.now() };
    await expect(withRetries(attempt(1), expired)).rejects.toThrow("Not now.");
    expect(attempts).toBe(6);
  });
});

describe("content", () => {
  it("of 20 MiB comes back as it went, with its progress", async () => {
    const bytes = randomBytes(20 * MIB);
    const { name } = await makeObject(bytes.byteLength);
    const progress: number[] = [];
    const onProgress = (doneBytes: number) => progress.push(doneBytes);
    // Pieces that are not of the size of a message.
    const source = pieces(bytes.subarray(0, 1), bytes.subarray(1, 7 * MIB + 3), bytes.subarray(7 * MIB + 3));
    expect(await client.upload(name, source, { size: bytes.byteLength, onProgress })).toBe(bytes.byteLength);
    expect(progress.at(-1)).toBe(bytes.byteLength);
    const hash = createHash("sha256");
    for await (const chunk of client.download(name)) hash.update(chunk);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    await client.deleteObject({ name });
  });

  it("is written and read at offsets", async () => {
    const { name } = await makeObject(65536);
    expect(await client.upload(name, pieces(Buffer.from("torpor")), { offset: 100 })).toBe(6);
    const part = await collect(client.download(name, { offset: 99, length: 8 }));
    expect(part.toString()).toBe("\0torpor\0");
    await client.deleteObject({ name });
  });

  it("that does not fit is refused while its source still has nothing to give", async () => {
    const { name } = await makeObject(65536);
    const never: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.withResolvers<IteratorResult<Uint8Array>>().promise,
      }),
    };
    const error = await errorOf(client.upload(name, never, { size: MIB }));
    expect(error.code).toBe("INVALID_ARGUMENT");
    await client.deleteObject({ name });
  });

  it("whose source fails, fails with what the source threw", async () => {
    const { name } = await makeObject(65536);
    async function* broken() {
      yield Buffer.from("half");
      throw new Error("The disk is gone.");
    }
    await expect(client.upload(name, broken())).rejects.toThrow("The disk is gone.");
    expect((await collect(client.download(name, { length: 4 }))).byteLength).toBe(4);
    await client.deleteObject({ name });
  });

  it("may be left alone half way", async () => {
    const { name } = await makeObject(4 * MIB);
    for await (const chunk of client.download(name)) {
      expect(chunk.byteLength).toBeGreaterThan(0);
      break;
    }
    await client.deleteObject({ name });
  });

  it("and calls that wait end with the connection", async () => {
    const { name } = await makeObject(8 * MIB);
    const short = connect({ address: daemon.grpc });
    const chunks = short.download(name);
    await chunks.next();
    const events = short.watchEvents({ reconnect: false });
    await events.next();
    short.close();
    await expect(everythingOf(chunks)).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(everythingOf(events)).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("of an object that is not there is an error of the iteration", async () => {
    const error = await errorOf(collect(client.download(`${parent}/objects/999`)));
    expect(error.reason).toBe("OBJECT_NOT_FOUND");
  });
});

describe("durations", () => {
  it.each([0, 0.5, 1500, 86_400_000])("of %d ms come back from the wire as they went", (ms) => {
    expect(toMs(toDuration(ms))).toBe(ms);
  });
});
