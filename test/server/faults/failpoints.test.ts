/** FaultService and PlanSuspend over both wires: armed, fired and survived; refused where faults are not enabled. */
import { readFileSync } from "node:fs";
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FAILPOINTS } from "../../../src/device/failpoints.ts";
import { Failpoints, failpointNames, REASONS } from "../../../src/device/mod.ts";
import { loadConfig } from "../../../src/server/config/config.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import { startTestDaemon } from "../../support/daemon.ts";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { parseMetrics } from "../../support/metrics-text.ts";
import { bootThreaded, hashOf, KIB, MIB, patternOf, type TestDevice } from "../../support/test-device.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";
const OBJECTS = 3;

let gpu: TestDevice;
let device: TestDevice["device"];
let wires: Wires;
let crashes = 0;
const hashes = new Map<string, string>();

const failpoints = new Failpoints({
  clock: systemClock,
  crash: () => {
    crashes++;
    throw new Error("the process is gone");
  },
});

beforeAll(async () => {
  gpu = await bootThreaded({
    engineForm: "in-process",
    lmem: [{ sizeBytes: 32 * MIB }],
    smem: { sizeBytes: 64 * MIB },
    failpoints: failpoints.forDevice("card0"),
  });
  ({ device } = gpu);
  wires = await startWires([device], { failpoints });
  for (let seed = 0; seed < 2 * OBJECTS; seed++) {
    const bytes = patternOf(seed, 64 * KIB);
    const id = await gpu.upload(bytes);
    hashes.set(id, hashOf(bytes));
    if (seed < OBJECTS) await gpu.execute({ type: "pinObject", object: id });
  }
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  device.checkInvariants();
  await device.close();
});
beforeEach(async () => {
  failpoints.reset();
  await wake();
});

/** Resumes, and brings back what a suspend evicted, which else stays out until it is used. */
async function wake(): Promise<void> {
  await gpu.execute({ type: "resume" });
  for (const object of [...hashes.keys()].slice(OBJECTS)) {
    await gpu.execute({ type: "moveObject", object, region: "lmem0" });
  }
}

async function expectWhole(): Promise<void> {
  expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", wedged: false });
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id)), `object ${id}`).toBe(hash);
}

const REFUSED: readonly [string, JsonObject, string, string][] = [
  ["a name that there is not", { name: "failpoints/evict.none" }, "FAILPOINT_NOT_FOUND", "NOT_FOUND"],
  ["a name that every object has", { name: "failpoints/toString" }, "FAILPOINT_NOT_FOUND", "NOT_FOUND"],
  ["no action", { action: "ACTION_UNSPECIFIED" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["an unknown action", { action: 99 }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a reason of a wire", { reason: "FAULTS_DISABLED" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a reason that is none", { reason: "toString" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a device that there is not", { device: "devices/card9" }, "DEVICE_NOT_FOUND", "NOT_FOUND"],
  ["no device's name", { device: "devices/card0/objects/1" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a DELAY without a delay", { action: "DELAY" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a negative delay", { action: "DELAY", delay: "-1s" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a delay too long", { action: "DELAY", delay: "601s" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a probability of 0", { probability: 0 }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a probability above 1", { probability: 1.01 }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a probability that is no number", { probability: "NaN" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a negative count", { count: -1 }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  ["a negative after", { after: -1 }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  [
    "an ERROR where nothing can fail",
    { name: "failpoints/powerOff.after" },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
];

const METHODS: readonly [string, JsonObject][] = [
  ["ListFailpoints", {}],
  ["ArmFailpoint", { name: "failpoints/evict.object", action: "ERROR" }],
  ["DisarmFailpoint", { name: "failpoints/evict.object" }],
  ["ResetFailpoints", {}],
];

describe.each([
  ["REST", "overRest"],
  ["gRPC", "overGrpc"],
] as const)("over %s", (_wire, wire) => {
  const call: JsonCall = (method, request) => wires[wire](method, request);
  const arm = (changes: JsonObject) =>
    call("ArmFailpoint", { name: "failpoints/evict.object", action: "ERROR", count: 1, ...changes });
  const disarm = () => call("DisarmFailpoint", { name: "failpoints/evict.object" });

  it("every failpoint is listed with what it stands for, disarmed at first", async () => {
    const { failpoints: listed } = await call("ListFailpoints", {});
    expect(listed).toEqual(
      Object.entries(FAILPOINTS).map(([name, description]) => ({
        name: `failpoints/${name}`,
        description,
        action: "ACTION_UNSPECIFIED",
        device: "",
        reason: "",
        count: 0,
        after: 0,
        seed: 0,
        hits: "0",
        spent: false,
      })),
    );
  });

  it("what is armed is shown as it was armed, and fires at a suspend, which recovers", async () => {
    const armed = await arm({ after: 1, reason: "REGION_FULL", device: "card0", seed: 4_294_967_295 });
    expect(armed).toMatchObject({
      name: "failpoints/evict.object",
      action: "ERROR",
      device: DEVICE,
      reason: "REGION_FULL",
      probability: 1,
      count: 1,
      after: 1,
      seed: 4_294_967_295,
      hits: "0",
      spent: false,
    });
    expect(armed).not.toHaveProperty("delay");
    const refusal = await refusalOf(call("Suspend", { name: DEVICE }));
    expect(refusal).toMatchObject({ reason: "REGION_FULL", code: "RESOURCE_EXHAUSTED" });
    expect(refusal.metadata).toMatchObject({ failpoint: "evict.object" });
    const transition = await call("GetTransition", { name: refusal.metadata.transition ?? "" });
    expect(transition).toMatchObject({ state: "FAILED", recovered: true });
    await expectWhole();
    expect(await disarm()).toMatchObject({ action: "ACTION_UNSPECIFIED", reason: "", hits: "1" });
    expect(await call("Suspend", { name: DEVICE })).toMatchObject({ state: "SUCCEEDED" });
    expect(await call("Resume", { name: DEVICE })).toMatchObject({ state: "SUCCEEDED" });
    await expectWhole();
    expect(failpoints.get("evict.object").hits).toBe(1);
    expect(await call("ResetFailpoints", {})).toEqual({});
    expect(await disarm()).toMatchObject({ hits: "0" });
  });

  it("a delay is kept to the millisecond, and waited for", async () => {
    const armed = await arm({ action: "DELAY", delay: "0.123s", probability: 0.5, count: 0 });
    expect(armed).toMatchObject({ action: "DELAY", delay: "0.123s", probability: 0.5 });
    await arm({ action: "DELAY", delay: "0.1s" });
    const suspended = await call("Suspend", { name: DEVICE });
    const phases = suspended.phases as { phase: string; duration: string }[];
    const evict = phases.find(({ phase }) => phase === "evict");
    expect(Number.parseFloat(evict?.duration ?? "")).toBeGreaterThan(0.09);
    await call("Resume", { name: DEVICE });
  });

  it("a hang lasts until it is disarmed, and a reset lets go of it too", async () => {
    for (const letGo of [disarm, () => call("ResetFailpoints", {})]) {
      await arm({ action: "HANG" });
      const { name = "" } = await call("Suspend", { name: DEVICE, wait: "0s" });
      await expect.poll(() => failpoints.get("evict.object").hits).toBeGreaterThan(0);
      expect(await call("GetTransition", { name })).toMatchObject({ state: "RUNNING" });
      await letGo();
      await expect.poll(() => call("GetTransition", { name })).toMatchObject({ state: "SUCCEEDED" });
      await wake();
      failpoints.reset();
    }
    await expectWhole();
  });

  it("a crash ends the process", async () => {
    const before = crashes;
    await arm({ action: "CRASH" });
    await refusalOf(call("Suspend", { name: DEVICE }));
    expect(crashes).toBe(before + 1);
    await expectWhole();
  });

  it.each(REFUSED)("%s is refused, and what was armed stays", async (_what, changes, reason, code) => {
    await arm({ after: 7 });
    const before = failpoints.list();
    const refusal = await refusalOf(arm(changes));
    expect(refusal).toMatchObject({ reason, code });
    expect(refusal.message).toMatch(/^[A-Z].*[.!]$/s);
    expect(failpoints.list()).toEqual(before);
  });

  it("a name that there is not cannot be disarmed", async () => {
    const refusal = await refusalOf(call("DisarmFailpoint", { name: "failpoints/none" }));
    expect(refusal).toMatchObject({ reason: "FAILPOINT_NOT_FOUND", metadata: { failpoint: "none" } });
  });

  it("every reason that a device gives can be armed", async () => {
    for (const reason of Object.keys(REASONS)) expect(await arm({ reason })).toMatchObject({ reason });
    expect(await arm({ reason: "" })).toMatchObject({ reason: "COPY_FAILED" });
  });

  it("a FACTORY reset disarms what is armed for its device alone", async () => {
    await using fakes = await startWires([new FakeDevice("card0"), new FakeDevice("card1")], { failpoints });
    const names = ["evict.before", "evict.object", "evict.after"];
    for (const [index, on] of ["", DEVICE, "devices/card1"].entries()) {
      await arm({ name: `failpoints/${names[index]}` });
      if (on !== "") {
        await fakes[wire]("ArmFailpoint", {
          name: `failpoints/${names[index]}`,
          action: "ERROR",
          device: on,
        });
      }
    }
    const armed = () => failpoints.list().filter(({ arming }) => arming !== undefined);
    await fakes[wire]("ResetDevice", { name: DEVICE });
    expect(armed().map(({ name }) => name)).toEqual(names);
    await fakes[wire]("ResetDevice", { name: DEVICE, scope: "FACTORY" });
    expect(armed().map(({ name }) => name)).toEqual(["evict.before", "evict.after"]);
  });

  it.each(METHODS)("%s is refused where faults are not enabled", async (method, request) => {
    await using closed = await startWires([new FakeDevice()]);
    const refusal = await refusalOf(closed[wire](method, request));
    expect(refusal).toMatchObject({ reason: "FAULTS_DISABLED", code: "PERMISSION_DENIED" });
  });

  it("a plan says what the suspend then does, and is refused where the suspend would be", async () => {
    const plan = await call("PlanSuspend", { name: DEVICE });
    const suspended = await call("Suspend", { name: DEVICE });
    expect(plan).toMatchObject({ feasible: true, blockers: [] });
    const phases = suspended.phases as {
      phase: string;
      objects: number;
      bytes: string;
      skippedVolatile: number;
    }[];
    const skipped = phases.reduce((sum, phase) => sum + phase.skippedVolatile, 0);
    expect(plan.discard).toMatchObject({ objects: skipped });
    for (const [name, share] of [
      ["evict", plan.evict],
      ["evict_pinned", plan.backupBlit],
      ["memcpy", plan.backupMemcpy],
    ] as const) {
      const phase = phases.find((each) => each.phase === name);
      expect({ objects: phase?.objects, bytes: phase?.bytes }, name).toEqual(share);
    }
    expect(plan.evict).toEqual({ objects: OBJECTS, bytes: String(OBJECTS * 64 * KIB) });
    expect(Number(plan.systemMemoryRequired)).toBeGreaterThanOrEqual(2 * OBJECTS * 64 * KIB);
    expect(Number(plan.systemMemoryAvailable)).toBeGreaterThan(Number(plan.systemMemoryRequired));
    expect(plan.durationMin).toMatch(/^0\.\d+s$/);
    expect(plan.estimatedDuration).toBe(plan.durationMax);
    const refusal = await refusalOf(call("PlanSuspend", { name: DEVICE, state: "S2IDLE" }));
    expect(refusal).toMatchObject({ reason: "DEVICE_SUSPENDED", code: "FAILED_PRECONDITION" });
    await call("Resume", { name: DEVICE });
    await expectWhole();
  });

  it("every field of a plan arrives", async () => {
    await using fakes = await startWires([new FakeDevice()]);
    expect(await fakes[wire]("PlanSuspend", { name: DEVICE })).toEqual({
      feasible: false,
      blockers: [{ reason: "SYSTEM_MEMORY_EXHAUSTED", message: "System memory is full." }],
      evict: { objects: 1, bytes: "4096" },
      backupBlit: { objects: 2, bytes: "8192" },
      backupMemcpy: { objects: 3, bytes: "12288" },
      discard: { objects: 4, bytes: "16384" },
      systemMemoryRequired: "24576",
      imageBytesMax: "32768",
      systemMemoryAvailable: "4096",
      estimatedDuration: "1.500000001s",
      durationMin: "0.500s",
      durationMax: "1.500000001s",
      unmeasured: ["image"],
    });
  });
});

describe("a daemon", () => {
  const put = (url: string) =>
    fetch(`${url}/v1/failpoints/evict.before`, {
      method: "PUT",
      body: '{"action":"ERROR","device":"card1"}',
    });
  const suspend = async (url: string, name: string) =>
    (await fetch(`${url}/v1/devices/${name}:suspend`, { method: "POST" })).status;
  const scrape = async (url: string) => parseMetrics(await (await fetch(`${url}/metrics`)).text());

  it("with --enable-faults has one registry for its devices, and counts hits", async () => {
    await using running = await startTestDaemon(
      { enableFaults: true, devices: ["card0", "card1"] },
      { engineForm: "in-process" },
    );
    const { url } = running;
    const before = await scrape(url);
    for (const failpoint of failpointNames()) {
      expect(before.value("torpor_failpoint_hits_total", { failpoint })).toBe(0);
    }
    expect((await put(url)).status).toBe(200);
    expect(await suspend(url, "card0")).toBe(200);
    expect(await suspend(url, "card1")).toBe(500);
    await fetch(`${url}/v1/failpoints:reset`, { method: "POST" });
    expect(await suspend(url, "card1")).toBe(200);
    const after = await scrape(url);
    expect(after.value("torpor_failpoint_hits_total", { failpoint: "evict.before" })).toBe(1);
    expect(after.sum("torpor_failpoint_hits_total")).toBe(1);
  });

  it("arms what its configuration says before its devices boot", async () => {
    const { config } = loadConfig(
      { configFile: undefined, flags: {} },
      { TORPOR_ENABLE_FAULTS: "true", TORPOR_FAILPOINTS: "evict.before=error(REGION_FULL)@1*1:card0" },
    );
    const { enableFaults, failpoints: armed } = config;
    await using running = await startTestDaemon(
      { enableFaults, failpoints: armed },
      { engineForm: "in-process" },
    );
    const { url } = running;
    const { failpoints: listed } = (await (await fetch(`${url}/v1/failpoints`)).json()) as {
      failpoints: { name: string; action: string }[];
    };
    expect(listed.filter(({ action }) => action !== "ACTION_UNSPECIFIED")).toMatchObject([
      { name: "failpoints/evict.before", action: "ERROR", reason: "REGION_FULL", count: 1, after: 1 },
    ]);
    expect(await suspend(url, "card0")).toBe(200);
    await fetch(`${url}/v1/devices/card0:resume`, { method: "POST" });
    expect(await suspend(url, "card0")).toBe(429);
  });

  it("stops although a suspend hangs at a failpoint", async () => {
    const running = await startTestDaemon({ enableFaults: true }, { engineForm: "in-process" });
    const { url } = running;
    await fetch(`${url}/v1/failpoints/evict.before`, { method: "PUT", body: '{"action":"HANG"}' });
    const suspended = suspend(url, "card0");
    await expect
      .poll(async () =>
        (await scrape(url)).value("torpor_failpoint_hits_total", { failpoint: "evict.before" }),
      )
      .toBe(1);
    expect(await running.daemon.stop()).toMatchObject({ drained: true });
    expect(await suspended).toBe(200);
  });

  it("is killed by a CRASH, as by a power cut", async () => {
    const words = ["--lmem", "64MiB", "--smem", "128MiB", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
    await using daemon = new DaemonProcess([...words, "--enable-faults"]);
    const { http } = await daemon.ready();
    const url = `http://${http}`;
    await fetch(`${url}/v1/failpoints/powerOff.after`, { method: "PUT", body: '{"action":"CRASH"}' });
    await expect(suspend(url, "card0")).rejects.toThrow();
    expect(await daemon.exit()).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("without it refuses, and has no such metric", async () => {
    await using running = await startTestDaemon({}, { engineForm: "in-process" });
    expect((await put(running.url)).status).toBe(403);
    const text = await scrape(running.url);
    expect(text.samples.filter(({ name }) => name === "torpor_failpoint_hits_total")).toEqual([]);
  });
});

describe("docs/failpoints.md", () => {
  it("lists every failpoint with what it stands for, and no other", () => {
    const page = readFileSync(new URL("../../../docs/failpoints.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| `(\w+(?:\.\w+)+)` +\| (.+?)\.? +\|$/gm)];
    const documented = rows.map(([, name, meaning = ""]) => [name, meaning.toLowerCase()]);
    expect(documented).toEqual(
      Object.entries(FAILPOINTS).map(([name, meaning]) => [name, meaning.toLowerCase()]),
    );
  });
});
