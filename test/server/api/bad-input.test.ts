/**
 * What is wrong is refused with the same reason over both wires, and leaves the device as it was.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_RATES, type Device } from "../../../src/device/mod.ts";
import { bootThreaded, MIB } from "../../support/test-device.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

const LMEM_BYTES = 32 * MIB;
const SMEM_BYTES = 64 * MIB;

let device: Device;
let wires: Wires;

beforeAll(async () => {
  ({ device } = await bootThreaded({
    engineForm: "in-process",
    lmem: [{ sizeBytes: LMEM_BYTES }],
    smem: { sizeBytes: SMEM_BYTES },
    // Slow enough that a suspend still runs when the next call comes.
    rates: { ...DEFAULT_RATES, cpuReadLocalBytesPerSecond: 4e6 },
  }));
  wires = await startWires([device]);
  await create({}); // 1: neither pinned nor written
  await create({}); // 2: pinned
  await device.execute({ type: "pinObject", object: "2" });
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  await device.close();
});

function create(changes: { regions?: string[] }) {
  const object = { sizeBytes: MIB, regions: [], flags: [], alignmentBytes: 0, label: "", ...changes };
  return device.execute({ type: "createObject", ...object });
}

/** All that a client can see. */
async function snapshot(): Promise<unknown> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: true } as const;
  return {
    device: await device.execute({ type: "getDevice" }),
    regions: await device.execute({ type: "listRegions" }),
    objects: await device.execute(list),
    usage: await device.execute({ type: "getUsage" }),
    transitions: await device.execute({ type: "listTransitions", beforeId: "", limit: 1000 }),
  };
}

const DEVICE = "devices/card0";
const OBJECT = `${DEVICE}/objects/1`;
const PINNED = `${DEVICE}/objects/2`;
const GONE = `${DEVICE}/objects/999`;

const TABLE: readonly [string, string, JsonObject, string, string][] = [
  ["an object of size 0", "CreateObject", { parent: DEVICE, size: "0" }, "INVALID_SIZE", "INVALID_ARGUMENT"],
  ["an object without a size", "CreateObject", { parent: DEVICE }, "INVALID_SIZE", "INVALID_ARGUMENT"],
  [
    "an object of negative size",
    "CreateObject",
    { parent: DEVICE, size: "-1" },
    "INVALID_SIZE",
    "INVALID_ARGUMENT",
  ],
  [
    "an object larger than its region",
    "CreateObject",
    { parent: DEVICE, size: String(LMEM_BYTES + 1), regions: ["lmem0"] },
    "INVALID_SIZE",
    "INVALID_ARGUMENT",
  ],
  [
    "an object larger than every region",
    "CreateObject",
    { parent: DEVICE, size: String(2 ** 52) },
    "INVALID_SIZE",
    "INVALID_ARGUMENT",
  ],
  [
    "a size beyond 2^53",
    "CreateObject",
    { parent: DEVICE, size: "9223372036854775807" },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "an unknown region",
    "CreateObject",
    { parent: DEVICE, size: "1", regions: ["vram"] },
    "INVALID_REGION",
    "INVALID_ARGUMENT",
  ],
  [
    "a region named twice",
    "CreateObject",
    { parent: DEVICE, size: "1", regions: ["lmem0", "lmem0"] },
    "INVALID_REGION",
    "INVALID_ARGUMENT",
  ],
  [
    "a flag that only the device sets",
    "CreateObject",
    { parent: DEVICE, size: "1", flags: ["KERNEL"] },
    "INVALID_FLAGS",
    "INVALID_ARGUMENT",
  ],
  [
    "an alignment that is no power of two",
    "CreateObject",
    { parent: DEVICE, size: "1", alignment: "3" },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a label too long",
    "CreateObject",
    { parent: DEVICE, size: "1", label: "x".repeat(10_000) },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "an object on no device",
    "CreateObject",
    { parent: "devices/card9", size: "1" },
    "DEVICE_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "an unpin of what is not pinned",
    "UnpinObject",
    { name: OBJECT },
    "OBJECT_NOT_PINNED",
    "FAILED_PRECONDITION",
  ],
  ["a delete of a pinned object", "DeleteObject", { name: PINNED }, "OBJECT_PINNED", "FAILED_PRECONDITION"],
  ["a move to no region at all", "MoveObject", { name: OBJECT }, "INVALID_REGION", "INVALID_ARGUMENT"],
  [
    "a move of a pinned object",
    "MoveObject",
    { name: PINNED, region: "smem" },
    "OBJECT_PINNED",
    "FAILED_PRECONDITION",
  ],
  [
    "a move to a region that it does not allow",
    "MoveObject",
    { name: OBJECT, region: "stolen9" },
    "INVALID_REGION",
    "INVALID_ARGUMENT",
  ],
  [
    "a pin in a region that it does not allow",
    "PinObject",
    { name: OBJECT, region: "vram" },
    "INVALID_REGION",
    "INVALID_ARGUMENT",
  ],
  ["a pin of no object", "PinObject", { name: GONE }, "OBJECT_NOT_FOUND", "NOT_FOUND"],
  ["a checksum of no object", "ChecksumObject", { name: GONE }, "OBJECT_NOT_FOUND", "NOT_FOUND"],
  ["an object that is none", "GetObject", { name: GONE }, "OBJECT_NOT_FOUND", "NOT_FOUND"],
  [
    "an object whose id is no number",
    "GetObject",
    { name: `${DEVICE}/objects/weights` },
    "OBJECT_NOT_FOUND",
    "NOT_FOUND",
  ],
  ["a region that is none", "GetRegion", { name: `${DEVICE}/regions/vram` }, "REGION_NOT_FOUND", "NOT_FOUND"],
  ["an advice without an advice", "AdviseObject", { name: OBJECT }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  [
    "an advice on no object",
    "AdviseObject",
    { name: GONE, advice: "DONT_NEED" },
    "OBJECT_NOT_FOUND",
    "NOT_FOUND",
  ],
  ["the usage of no device", "GetUsage", { name: "devices/card9/usage" }, "DEVICE_NOT_FOUND", "NOT_FOUND"],
  [
    "a batch without a template",
    "BatchCreateObjects",
    { parent: DEVICE, count: 1 },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch of objects of size 0",
    "BatchCreateObjects",
    { parent: DEVICE, template: {}, count: 1 },
    "INVALID_SIZE",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch of objects whose size is beyond 2^53",
    "BatchCreateObjects",
    { parent: DEVICE, template: { size: "9223372036854775807" }, count: 1 },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch of 0 objects",
    "BatchCreateObjects",
    { parent: DEVICE, template: { size: "1" } },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch of 10001 objects",
    "BatchCreateObjects",
    { parent: DEVICE, template: { size: "1" }, count: 10_001 },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch on no device",
    "BatchCreateObjects",
    { parent: "devices/card9", template: { size: "1" }, count: 1 },
    "DEVICE_NOT_FOUND",
    "NOT_FOUND",
  ],
  ["a batch of no names", "BatchPinObjects", { parent: DEVICE }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  [
    "a batch with a name twice",
    "BatchPinObjects",
    { parent: DEVICE, names: [OBJECT, OBJECT] },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch with an object of another device",
    "BatchDeleteObjects",
    { parent: DEVICE, names: [OBJECT, "devices/card1/objects/1"] },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch with a name that is none",
    "BatchUnpinObjects",
    { parent: DEVICE, names: ["1"] },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch with an object of the device itself",
    "BatchPinObjects",
    { parent: DEVICE, names: [OBJECT, `${DEVICE}/objects/k1`] },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch of pins with one of no object",
    "BatchPinObjects",
    { parent: DEVICE, names: [OBJECT, GONE] },
    "OBJECT_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "a batch of pins in a region that the objects do not allow",
    "BatchPinObjects",
    { parent: DEVICE, names: [OBJECT], region: "vram" },
    "INVALID_REGION",
    "INVALID_ARGUMENT",
  ],
  [
    "a batch of unpins with one that is not pinned",
    "BatchUnpinObjects",
    { parent: DEVICE, names: [PINNED, OBJECT] },
    "OBJECT_NOT_PINNED",
    "FAILED_PRECONDITION",
  ],
  [
    "a batch of deletes with one that is pinned",
    "BatchDeleteObjects",
    { parent: DEVICE, names: [OBJECT, PINNED] },
    "OBJECT_PINNED",
    "FAILED_PRECONDITION",
  ],
  [
    "an eviction of system memory",
    "EvictRegion",
    { name: `${DEVICE}/regions/smem` },
    "INVALID_REGION",
    "INVALID_ARGUMENT",
  ],
  [
    "an eviction of a negative amount",
    "EvictRegion",
    { name: `${DEVICE}/regions/lmem0`, bytes: "-1" },
    "INVALID_SIZE",
    "INVALID_ARGUMENT",
  ],
  [
    "a transition that is none",
    "GetTransition",
    { name: `${DEVICE}/transitions/999` },
    "TRANSITION_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "a cancel of a transition that is none",
    "CancelTransition",
    { name: `${DEVICE}/transitions/x` },
    "TRANSITION_NOT_FOUND",
    "NOT_FOUND",
  ],
  ["a negative wait", "Suspend", { name: DEVICE, wait: "-1s" }, "INVALID_REQUEST", "INVALID_ARGUMENT"],
  [
    "an idle timeout too long",
    "Suspend",
    { name: DEVICE, idleTimeout: "86400s" },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a negative page size",
    "ListObjects",
    { parent: DEVICE, pageSize: -1 },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
  [
    "a page token made up",
    "ListObjects",
    { parent: DEVICE, pageToken: "MQ" },
    "INVALID_PAGE_TOKEN",
    "INVALID_ARGUMENT",
  ],
  [
    "a page token of transitions made up",
    "ListTransitions",
    { parent: DEVICE, pageToken: "!" },
    "INVALID_PAGE_TOKEN",
    "INVALID_ARGUMENT",
  ],
  [
    "a filter that cannot be read",
    "ListObjects",
    { parent: DEVICE, filter: "size > 5" },
    "INVALID_REQUEST",
    "INVALID_ARGUMENT",
  ],
];

describe.each([
  ["REST", "overRest"],
  ["gRPC", "overGrpc"],
] as const)("over %s", (_wire, wire) => {
  const call: JsonCall = (method, request) => wires[wire](method, request);

  it.each(TABLE)("%s is refused, and nothing changes", async (_what, rpc, request, reason, code) => {
    const before = await snapshot();
    const outcome = await refusalOf(call(rpc, request));
    expect(outcome).toMatchObject({ reason, code });
    expect(outcome.message).toMatch(/^[A-Z].*[.!]$/s);
    expect(await snapshot()).toEqual(before);
    device.checkInvariants();
  });

  it("a suspend while suspending is refused and names the one that runs, and so is what touches memory", async () => {
    const running = await device.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect(running.state).toBe("RUNNING");
    expect(await refusalOf(call("Suspend", { name: DEVICE }))).toMatchObject({
      reason: "TRANSITION_IN_PROGRESS",
      code: "ABORTED",
    });
    expect(await refusalOf(call("Resume", { name: DEVICE }))).toMatchObject({
      reason: "TRANSITION_IN_PROGRESS",
      code: "ABORTED",
    });
    expect(await refusalOf(call("PinObject", { name: OBJECT }))).toMatchObject({
      reason: "DEVICE_TRANSITION",
      code: "UNAVAILABLE",
    });
    await expect.poll(() => device.execute({ type: "getDevice" })).toMatchObject({ powerState: "SUSPENDED" });
    const outcome = await refusalOf(call("PinObject", { name: OBJECT }));
    expect(outcome).toMatchObject({ reason: "DEVICE_SUSPENDED", code: "FAILED_PRECONDITION" });
    expect(await refusalOf(call("Suspend", { name: DEVICE, state: "S2IDLE" }))).toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    const name = `${DEVICE}/transitions/${running.id}`;
    expect(await refusalOf(call("CancelTransition", { name }))).toMatchObject({
      reason: "TRANSITION_NOT_CANCELLABLE",
    });
    await device.execute({ type: "resume" });
    device.checkInvariants();
  });
});
