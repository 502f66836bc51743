/**
 * Faults as clients see them, over both wires in turn: the reason of a transition that failed, what is readable of it, the
 * state of the device, and that everything is there and works when the fault is gone.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MemoryServiceClient } from "../../../src/contract/gen/torpor/v1/memory.ts";
import type { ErrorReason, FailpointName } from "../../../src/device/mod.ts";
import type { Caller } from "../../support/crash-rig.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { addObject, enrich, expectRich, type RichState } from "../../support/rich-device.ts";
import { hashOf, KIB, MIB, patternOf } from "../../support/test-device.ts";
import { callGrpc, callRest, type RefusedCall, refusalOf } from "../../support/wires.ts";

const name = "devices/card0";

interface Row {
  readonly state: "S2IDLE" | "S3" | "S4";
  readonly failpoint: FailpointName;
  /** The one that is asked for, where the failpoint takes one, and the one that comes. @default COPY_FAILED */
  readonly reason?: ErrorReason;
  /** google.rpc.Code of that. @default INTERNAL */
  readonly code?: string;
  /** What the device is after a resume that failed so. @default FAILED */
  readonly left?: "SUSPENDED" | "FAILED";
}

const SUSPENDING: readonly Row[] = [
  { state: "S2IDLE", failpoint: "evict.before" },
  { state: "S3", failpoint: "evict.object", reason: "SYSTEM_MEMORY_EXHAUSTED", code: "RESOURCE_EXHAUSTED" },
  { state: "S4", failpoint: "evict.after" },
  { state: "S3", failpoint: "idle.timeout", reason: "IDLE_TIMEOUT", code: "DEADLINE_EXCEEDED" },
  { state: "S2IDLE", failpoint: "evictPinned.before" },
  { state: "S3", failpoint: "evictPinned.object" },
  {
    state: "S4",
    failpoint: "backup.allocate",
    reason: "SYSTEM_MEMORY_EXHAUSTED",
    code: "RESOURCE_EXHAUSTED",
  },
  { state: "S3", failpoint: "memcpy.object" },
  { state: "S3", failpoint: "firmware.stop" },
  { state: "S4", failpoint: "image.write", reason: "IMAGE_STORE_FULL", code: "RESOURCE_EXHAUSTED" },
  { state: "S4", failpoint: "image.short", reason: "IMAGE_CORRUPT", code: "DATA_LOSS" },
  { state: "S4", failpoint: "image.fsync" },
  { state: "S4", failpoint: "image.seal" },
  { state: "S4", failpoint: "image.sealed" },
  { state: "S2IDLE", failpoint: "powerOff.before" },
  { state: "S3", failpoint: "powerOff.before" },
  { state: "S4", failpoint: "powerOff.before" },
];

const RESUMING: readonly Row[] = [
  { state: "S4", failpoint: "image.read", reason: "IMAGE_CORRUPT", code: "DATA_LOSS", left: "SUSPENDED" },
  { state: "S3", failpoint: "powerOn.before", left: "SUSPENDED" },
  { state: "S4", failpoint: "powerOn.before", left: "SUSPENDED" },
  { state: "S2IDLE", failpoint: "restoreEarly.object" },
  { state: "S4", failpoint: "restore.populate" },
  { state: "S3", failpoint: "firmware.load", reason: "FIRMWARE_LOAD_FAILED" },
  { state: "S3", failpoint: "engine.start", reason: "ENGINE_HUNG" },
  { state: "S4", failpoint: "restoreLate.object" },
  { state: "S4", failpoint: "image.consume" },
];

/** With these the device lives; whether its GT does, it says. */
const SURVIVED: readonly (readonly [FailpointName, boolean])[] = [
  ["copy.blit", false],
  ["blitter.hang", true],
  ["migrate.pageTable", true],
];

let dataDirectory: string;
let daemon: TestDaemon;
let client: MemoryServiceClient;
let state: RichState;
/** Calls over one wire, and the next over the other. */
let call: Caller;

beforeAll(async () => {
  dataDirectory = mkdtempSync(join(tmpdir(), "torpor-faults-"));
  daemon = await startTestDaemon({
    dataDirectory,
    enableFaults: true,
    lmemSizesBytes: [16 * MIB],
    smemBytes: 16 * MIB,
    engines: ["rcs0", "bcs0"],
  });
  client = new MemoryServiceClient(daemon.grpc, credentials.createInsecure());
  const { url } = daemon;
  let calls = 0;
  const alternate = (method: string, request: JsonObject): Promise<JsonObject> =>
    calls++ % 2 === 0 ? callRest(url, method, request) : callGrpc(client, method, request);
  call = Object.assign(alternate, { url });
  state = await enrich(call);
});
beforeEach(async () => {
  await call("ResetFailpoints", {});
  await call("Resume", { name });
});
afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
  rmSync(dataDirectory, { recursive: true });
});

describe("a suspend that fails", () => {
  it.each(SUSPENDING)("to $state at $failpoint leaves the device ACTIVE with everything", async (row) => {
    await arm(row);
    await expectRefused(call("Suspend", toSleep(row)), row, { kind: "SUSPEND", recovered: true });
    await expectAll();
    await expectCycle(row);
  });

  it("and whose undoing fails leaves it ACTIVE all the same, with its GT", async () => {
    await arm({ state: "S3", failpoint: "powerOff.before" });
    await arm({ state: "S3", failpoint: "recover.object" });
    const row = { state: "S3", failpoint: "powerOff.before" } as const;
    await expectRefused(call("Suspend", toSleep(row)), row, { kind: "SUSPEND", recovered: true });
    await expectAll();
    await expectCycle(row);
  });

  it("with an image that cannot be consumed leaves it FAILED, until a resume can", async () => {
    const row = { state: "S4", failpoint: "powerOff.before" } as const;
    await arm(row);
    await arm({ state: "S4", failpoint: "image.consume" });
    await expectRefused(call("Suspend", toSleep(row)), row, { kind: "SUSPEND", recovered: false });
    expect(await call("GetDevice", { name })).toMatchObject({ powerState: "FAILED" });
    expect((await refusalOf(call("Suspend", toSleep(row)))).reason).toBe("DEVICE_FAILED");
    await call("Resume", { name });
    await expectAll();
    await expectCycle(row);
  });
});

describe("a resume that fails", () => {
  it.each(RESUMING)("from $state at $failpoint can be done again, and loses nothing", async (row) => {
    await call("Suspend", toSleep(row));
    await arm(row);
    await expectRefused(call("Resume", { name }), row, { kind: "RESUME" });
    expect(await call("GetDevice", { name })).toMatchObject({ powerState: row.left ?? "FAILED" });
    expect(await call("Resume", { name })).toMatchObject({ state: "SUCCEEDED" });
    await expectAll();
    await expectCycle(row);
  });

  it("because of a checksum names the object, which nobody reads from then on; the rest is right", async () => {
    await call("ResetDevice", { name, scope: "FACTORY" });
    const first = await addObject(call, patternOf(1, 64 * KIB));
    const second = await addObject(call, patternOf(2, 64 * KIB));
    const row: Row = {
      state: "S3",
      failpoint: "verify.mismatch",
      reason: "CHECKSUM_MISMATCH",
      code: "DATA_LOSS",
    };
    await call("Suspend", toSleep(row));
    await call("ArmFailpoint", { name: "failpoints/verify.mismatch", action: "ERROR", count: 1 });
    const { metadata } = await expectRefused(call("Resume", { name }), row, { kind: "RESUME" });
    expect(metadata).toMatchObject({ objects: first.split("/").at(-1), count: "1" });
    expect(await call("GetDevice", { name })).toMatchObject({ powerState: "FAILED" });
    await call("Resume", { name });
    expect(await call("GetObject", { name: first })).toMatchObject({ state: "UNKNOWN" });
    expect((await refusalOf(call("ChecksumObject", { name: first }))).reason).toBe("CONTENT_UNKNOWN");
    const sha256 = hashOf(patternOf(2, 64 * KIB));
    expect(await call("ChecksumObject", { name: second })).toMatchObject({ sha256 });
    for (const object of [first, second]) await call("DeleteObject", { name: object });
    state = await enrich(call);
    await expectCycle(row);
  });
});

describe("a blitter that fails", () => {
  it.each(SURVIVED)("by %s costs no byte and no transition; wedged: %s", async (failpoint, wedged) => {
    const row = { state: "S3", failpoint } as const;
    await toLocal();
    await arm(row);
    expect(await call("Suspend", toSleep(row))).toMatchObject({ state: "SUCCEEDED", wedged });
    await call("Resume", { name });
    await call("ResetDevice", { name, scope: "GT" });
    await expectAll();
    await expectCycle(row);
  });
});

async function arm({ failpoint, reason }: Row): Promise<void> {
  await toLocal();
  const wanted = reason === undefined ? {} : { reason };
  await call("ArmFailpoint", {
    name: `failpoints/${failpoint}`,
    action: "ERROR",
    count: 1,
    ...wanted,
  });
}

/** Brings back what a suspend evicted, if the device is awake: else it stays out until it is used. */
async function toLocal(): Promise<void> {
  if ((await call("GetDevice", { name })).powerState !== "ACTIVE") return;
  for (const object of state.objects.values()) {
    if (object.label !== "größe") continue;
    await call("MoveObject", { name: String(object.name), region: "lmem0" });
  }
}

function toSleep({ state, failpoint }: Row): JsonObject {
  const request = { name, state, verify: true };
  return failpoint === "idle.timeout" ? { ...request, onIdleTimeout: "ABORT" } : request;
}

/** The call tells why, and so does the transition, which whoever comes later can read. */
async function expectRefused(answer: Promise<unknown>, row: Row, shown: JsonObject): Promise<RefusedCall> {
  const { reason = "COPY_FAILED", code = "INTERNAL" } = row;
  const refusal = await refusalOf(answer);
  expect({ reason: refusal.reason, code: refusal.code }).toEqual({ reason, code });
  const { transition } = await call("GetDevice", { name });
  const { message } = refusal;
  expect(await call("GetTransition", { name: String(transition) })).toMatchObject({
    ...shown,
    state: "FAILED",
    sleepState: row.state,
    error: { code, reason, message },
  });
  return refusal;
}

async function expectAll(): Promise<void> {
  const { failpoints } = await call("ListFailpoints", {});
  for (const { name: armed, action, hits } of Object(failpoints)) {
    if (action === "ERROR") expect({ armed, hits }).toEqual({ armed, hits: "1" });
  }
  await call("ResetFailpoints", {});
  await expectRich(call, state);
}

async function expectCycle(row: Row): Promise<void> {
  const { state: sleep } = row;
  expect(await call("Suspend", { name, state: sleep, verify: true })).toMatchObject({ state: "SUCCEEDED" });
  expect(await call("Resume", { name, verify: true })).toMatchObject({ state: "SUCCEEDED", wedged: false });
  await expectRich(call, state);
}
