/** Clients' work on the engines over both wires: run, waited for, hung and reset. What is refused is in engines-bad-input. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WORK_COMMANDS_MAX } from "../../../src/device/limits.ts";
import { probeDevice } from "../../../src/server/metrics/device-state.ts";
import { Metrics } from "../../../src/server/metrics/metrics.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { parseMetrics } from "../../support/metrics-text.ts";
import { bootThreaded, hashOf, KIB, MIB, patternOf, type TestDevice } from "../../support/test-device.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";

let gpu: TestDevice;
let device: TestDevice["device"];
let wires: Wires;

beforeAll(async () => {
  gpu = await bootThreaded({ engines: ["rcs0", "bcs0"] });
  ({ device } = gpu);
  wires = await startWires([device]);
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  device.checkInvariants();
  await device.close();
});

async function readOverRest(object: string): Promise<Buffer> {
  const response = await fetch(`${wires.baseUrl}/v1/${object}/content`);
  return Buffer.from(await response.arrayBuffer());
}

async function readOverGrpc(name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const request = { name, offset: 0n, length: undefined, chunkSize: 0, holdDuringTransition: false };
  for await (const { data } of wires.memory.readObject(request)) chunks.push(data);
  return Buffer.concat(chunks);
}

describe.each([
  ["REST", "overRest", readOverRest],
  ["gRPC", "overGrpc", readOverGrpc],
] as const)("over %s", (_wire, wire, read) => {
  const call: JsonCall = (method, request) => wires[wire](method, request);

  async function newContext(): Promise<string> {
    return String((await call("CreateContext", { parent: DEVICE, engine: "rcs0" })).name);
  }

  async function newObject(bytes: Uint8Array): Promise<string> {
    return `${DEVICE}/objects/${await gpu.upload(bytes)}`;
  }

  it("a request is submitted and waited for, and its bytes are read", async () => {
    const bytes = patternOf(1, 64 * KIB);
    const a = await newObject(bytes);
    const b = await newObject(new Uint8Array(64 * KIB));
    const bareB = b.split("/").at(-1) ?? "";
    const name = await newContext();
    const fence = await call("SubmitWork", {
      name,
      commands: [
        { fill: { object: b, offset: "0", length: "10", pattern: 0x04030201 } },
        { copy: { source: a, sourceOffset: 5, destination: bareB, destinationOffset: 1024, length: 1000 } },
        { storeDword: { object: b, offset: 16, value: 4_294_967_295 } },
        { add: { object: b, offset: 16, length: 4, value: 3 } },
        { xor: { object: b, offset: 16, length: 4, value: 0xff } },
        { loadRegister: { register: 15, value: "18446744073709551615" } },
        { storeRegister: { register: 15, object: bareB, offset: 24 } },
        { timestamp: { object: b, offset: 32 } },
        { waitSemaphore: { object: b, offset: 16, value: 0xfd } },
        { spin: { duration: "0.0005s" } },
        { checksum: { object: a, length: 65_536, destination: b, destinationOffset: 40 } },
      ],
    });
    expect(fence).toMatchObject({ engine: "rcs0", context: name, seqno: "1" });
    const waited = await call("WaitFence", { name: fence.name ?? "", timeout: "10s" });
    expect(waited).toMatchObject({ name: fence.name, state: "SIGNALED" });
    expect(waited).not.toHaveProperty("error");
    expect(await call("GetFence", { name: fence.name ?? "" })).toEqual(waited);
    const content = await read(b);
    expect([...content.subarray(0, 12)]).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 0, 0]);
    expect(content.readUInt32LE(16)).toBe(2 ^ 0xff);
    expect(content.readBigUInt64LE(24)).toBe(2n ** 64n - 1n);
    expect(content.readBigUInt64LE(32)).toBeGreaterThan(0n);
    expect(content.readUInt32LE(40)).toBe((await call("ChecksumObject", { name: a })).crc32c);
    expect(hashOf(content.subarray(1024, 2024))).toBe(hashOf(bytes.subarray(5, 1005)));
    const context = await call("GetContext", { name });
    expect(context).toMatchObject({ engine: "rcs0", priority: "NORMAL", pendingRequests: 0, hangs: 0 });
    expect(context.registers).toHaveLength(16);
    expect((context.registers as string[])[15]).toBe("18446744073709551615");
    expect(context.image).toMatch(/^devices\/card0\/objects\/k\d+$/);
    expect((await call("GetObject", { name: String(context.ring) })).flags).toContain("KERNEL");
    expect(await call("DeleteContext", { name })).toEqual({});
    expect((await refusalOf(call("GetContext", { name }))).reason).toBe("CONTEXT_NOT_FOUND");
    expect((await call("GetFence", { name: fence.name ?? "" })).state).toBe("SIGNALED");
  });

  it("a submit answers at once, or with `wait` when the work has ended or the time has passed", async () => {
    const name = await newContext();
    const spin = (duration: string) => [{ spin: { duration } }];
    expect(await call("SubmitWork", { name, commands: spin("0.2s") })).toMatchObject({ state: "PENDING" });
    const waited = await call("SubmitWork", { name, commands: spin("0.01s"), wait: "10s" });
    expect(waited).toMatchObject({ state: "SIGNALED", seqno: "2" });
    const late = await call("SubmitWork", { name, commands: spin("0.3s"), wait: "0.01s" });
    expect(late.state).toBe("PENDING");
    const fence = String(late.name);
    const refusal = await refusalOf(call("WaitFence", { name: fence, timeout: "0s" }));
    expect(refusal).toMatchObject({ reason: "DEADLINE_EXCEEDED", code: "DEADLINE_EXCEEDED" });
    expect((await refusalOf(call("DeleteContext", { name }))).reason).toBe("CONTEXT_ACTIVE");
    expect((await call("WaitFence", { name: fence })).state).toBe("SIGNALED");
    await call("DeleteContext", { name });
  });

  it("takes as many commands as a request may have", async () => {
    const object = await newObject(new Uint8Array(64 * KIB));
    const id = object.split("/").at(-1) ?? "";
    const name = await newContext();
    const commands = Array.from({ length: WORK_COMMANDS_MAX }, (_, index) => ({
      storeDword: { object: id, offset: String(index * 4), value: index + 1 },
    }));
    expect((await call("SubmitWork", { name, commands, wait: "30s" })).state).toBe("SIGNALED");
    const content = await read(object);
    expect([content.readUInt32LE(0), content.readUInt32LE(39_996)]).toEqual([1, 10_000]);
    await call("DeleteContext", { name });
  });

  it("a hang is ended by a reset of its engine; its fence, engine and context tell, and what waits for it fails", async () => {
    const name = await newContext();
    const innocent = await newContext();
    const before = await call("GetEngine", { name: `${DEVICE}/engines/rcs0` });
    const hung = await call("SubmitWork", { name, commands: [{ hang: {} }] });
    const other = { name: innocent, commands: [{ spin: { duration: "0.001s" } }] };
    const behind = await call("SubmitWork", other);
    const names = [String(hung.name), String(hung.name).split("/").at(-1) ?? ""];
    const waiting = await call("SubmitWork", { ...other, waitFences: names });
    await expect.poll(() => device.gt.unit("rcs0").queue.head).toBeDefined();
    const engine = await call("ResetEngine", { name: `${DEVICE}/engines/rcs0` });
    expect(engine).toMatchObject({
      kind: "RENDER",
      resets: Number(before.resets) + 1,
      lastHang: { context: name, fence: hung.name, why: expect.any(String), time: expect.any(String) },
    });
    const error = { code: "INTERNAL", reason: "ENGINE_HUNG", message: expect.stringMatching(/^[A-Z].*\.$/) };
    for (const fence of [hung, waiting]) {
      const settled = await call("WaitFence", { name: fence.name ?? "", timeout: "10s" });
      expect(settled).toMatchObject({ state: "FAILED", error });
    }
    const settled = await call("WaitFence", { name: behind.name ?? "", timeout: "10s" });
    expect(settled.state).toBe("SIGNALED");
    expect(await call("GetContext", { name })).toMatchObject({ hangs: 1, banned: false });
    const after = await call("GetEngine", { name: `${DEVICE}/engines/rcs0` });
    expect(Number(after.submittedJobs)).toBe(Number(before.submittedJobs) + 3);
    expect(Number(after.completedJobs)).toBe(Number(before.completedJobs) + 1);
    expect(Number(after.failedJobs)).toBe(Number(before.failedJobs) + 2);
    for (const context of [name, innocent]) await call("DeleteContext", { name: context });
  });

  it("lists engines as they are configured, and contexts in pages", async () => {
    const { engines } = await call("ListEngines", { parent: DEVICE });
    expect(engines).toMatchObject([
      { name: `${DEVICE}/engines/rcs0`, kind: "RENDER" },
      { name: `${DEVICE}/engines/bcs0`, kind: "COPY" },
    ]);
    const made: string[] = [];
    for (const engine of ["bcs0", `${DEVICE}/engines/rcs0`, "rcs0"]) {
      const request = { parent: DEVICE, engine, priority: "HIGH" };
      const context = await call("CreateContext", request);
      expect(context).toMatchObject({ engine: engine.split("/").at(-1), priority: "HIGH" });
      made.push(String(context.name));
    }
    const first = await call("ListContexts", { parent: DEVICE, pageSize: 2 });
    expect(namesOf(first.contexts)).toEqual(made.slice(0, 2));
    const pageToken = String(first.nextPageToken);
    const second = await call("ListContexts", { parent: DEVICE, pageSize: 2, pageToken });
    expect(namesOf(second.contexts)).toEqual(made.slice(2));
    expect(second.nextPageToken).toBe("");
    for (const name of made) await call("DeleteContext", { name });
  });

  it("a reset of the GT fails what runs, clears wedged and keeps contexts and bytes", async () => {
    const bytes = patternOf(7, MIB);
    const object = await newObject(bytes);
    const name = await newContext();
    const fence = await call("SubmitWork", { name, commands: [{ spin: { duration: "600s" } }] });
    await device.gt.setWedged("a test said so");
    expect((await call("GetDevice", { name: DEVICE })).wedged).toBe(true);
    expect((await call("GetEngine", { name: `${DEVICE}/engines/rcs0` })).state).toBe("HALTED");
    const work = { name, commands: [{ spin: { duration: "0s" } }], wait: "10s" };
    expect(await refusalOf(call("SubmitWork", work))).toMatchObject({
      reason: "DEVICE_WEDGED",
      code: "INTERNAL",
    });
    const create = { parent: DEVICE, engine: "rcs0" };
    expect((await refusalOf(call("CreateContext", create))).reason).toBe("DEVICE_WEDGED");
    expect(await call("ResetDevice", { name: DEVICE })).toMatchObject({ wedged: false, name: DEVICE });
    expect((await call("GetFence", { name: fence.name ?? "" })).state).toBe("FAILED");
    expect((await call("SubmitWork", work)).state).toBe("SIGNALED");
    expect(hashOf(await read(object))).toBe(hashOf(bytes));
    await call("DeleteContext", { name });
  });

  it("a factory reset of a busy or a sleeping device leaves it empty and awake", async () => {
    for (const asleep of [false, true]) {
      const object = await newObject(patternOf(1, MIB));
      await call("PinObject", { name: object });
      const name = await newContext();
      const fence = await call("SubmitWork", { name, commands: [{ hang: {} }] });
      if (asleep) await device.execute({ type: "suspend", state: "S3", idleTimeoutMs: 10 });
      const reset = await call("ResetDevice", { name: DEVICE, scope: "FACTORY" });
      expect(reset).toMatchObject({ powerState: "ACTIVE", dState: "D0", wedged: false });
      expect((await call("ListObjects", { parent: DEVICE })).objects).toEqual([]);
      expect((await call("ListContexts", { parent: DEVICE })).contexts).toEqual([]);
      const gone = await refusalOf(call("GetFence", { name: fence.name ?? "" }));
      expect(gone.reason).toBe("FENCE_NOT_FOUND");
      device.checkInvariants();
    }
    const work = { name: await newContext(), commands: [{ spin: { duration: "0s" } }], wait: "10s" };
    expect((await call("SubmitWork", work)).state).toBe("SIGNALED");
    await call("DeleteContext", { name: work.name });
  });
});

function namesOf(resources: JsonValue | undefined): string[] {
  return (resources as { name: string }[]).map(({ name }) => name);
}

describe("metrics", () => {
  it("show what the engines did, and no queue of an engine without power", async () => {
    const metrics = new Metrics({ version: "1.2.3", revision: "" });
    metrics.countDevice("card0", ["lmem0", "smem"], ["rcs0", "bcs0"]);
    metrics.watchDevice(() => probeDevice(device));
    const scrape = async () => parseMetrics((await metrics.scrape(undefined)).body);
    const call = wires.overRest;
    const name = String((await call("CreateContext", { parent: DEVICE, engine: "rcs0" })).name);
    const labels = { device: "card0", engine: "rcs0" };
    const before = await scrape();
    await call("SubmitWork", { name, commands: [{ spin: { duration: "0.02s" } }], wait: "10s" });
    const after = await scrape();
    const grown = (metric: string) => after.value(metric, labels) - before.value(metric, labels);
    expect(grown("torpor_jobs_submitted_total")).toBe(1);
    expect(grown("torpor_engine_busy_seconds_total")).toBeGreaterThan(0.019);
    expect(after.samples.filter(isQueueDepth)).toHaveLength(2);
    await device.execute({ type: "suspend", state: "S3" });
    const asleep = await scrape();
    expect(asleep.samples.filter(isQueueDepth)).toEqual([]);
    expect(asleep.value("torpor_jobs_submitted_total", labels)).toBe(
      after.value("torpor_jobs_submitted_total", labels),
    );
    await device.execute({ type: "resume" });
    await call("DeleteContext", { name });
  });

  const isQueueDepth = ({ name }: { readonly name: string }) => name === "torpor_job_queue_depth";
});

describe("during a transition", () => {
  it.each([
    ["ResetEngine", { name: `${DEVICE}/engines/bcs0` }],
    ["CreateContext", { parent: DEVICE, engine: "bcs0" }],
    ["DeleteContext", { name: `${DEVICE}/contexts/7` }],
    ["SubmitWork", { name: `${DEVICE}/contexts/7`, commands: [{ hang: {} }] }],
  ] satisfies [string, JsonObject][])("%s is held when it asks to be", async (method, request) => {
    const fake = new FakeDevice();
    await using fakeWires = await startWires([fake]);
    await fakeWires.overRest(method, request);
    await fakeWires.overGrpc(method, { ...request, holdDuringTransition: true });
    const holds = fake.commands.map((command) => ("hold" in command ? command.hold : "not said"));
    expect(holds).toEqual(["not said", "transition"]);
  });
});
