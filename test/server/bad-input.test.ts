/**
 * What is wrong is refused with the same reason over both wires, and leaves the device as it was. The gRPC side sends
 * the same JSON, made a message by the descriptors, so that a row of the table is written once.
 */
import { type DescMethod, fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_RATES, type Device } from "../../src/device/mod.ts";
import { REGISTRY } from "../../src/server/descriptors.ts";
import { type Binding, readBindings } from "../../src/server/http/bindings.ts";
import { failureOf, statusOf } from "../support/grpc-errors.ts";
import { bootThreaded, MIB } from "../support/test-device.ts";
import { startWires, type Wires } from "../support/wires.ts";

const LMEM_BYTES = 32 * MIB;
const SMEM_BYTES = 64 * MIB;

let device: Device;
let wires: Wires;
let client: Client;

beforeAll(async () => {
  ({ device } = await bootThreaded({
    engineForm: "in-process",
    lmem: [{ sizeBytes: LMEM_BYTES }],
    smem: { sizeBytes: SMEM_BYTES },
    // Slow enough that a suspend still runs when the next call comes.
    rates: { ...DEFAULT_RATES, cpuReadLocalBytesPerSecond: 4e6 },
  }));
  wires = await startWires([device]);
  client = new Client(wires.grpcAddress, credentials.createInsecure());
  await create({}); // 1: neither pinned nor written
  await create({}); // 2: pinned
  await device.execute({ type: "pinObject", object: "2" });
});
afterAll(async () => {
  client.close();
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
    transitions: await device.execute({ type: "listTransitions", beforeId: "", limit: 1000 }),
  };
}

function bindingOf(rpc: string): Binding {
  const binding = readBindings(REGISTRY).find(({ method }) => method.name === rpc);
  if (binding === undefined) throw new Error(`There is no method ${rpc}.`);
  return binding;
}

interface Outcome {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
}

/** Calls over REST: `name` or `parent` go into the path, the rest into body or query. */
async function overRest(rpc: string, request: Record<string, JsonValue>): Promise<Outcome> {
  const { httpMethod, template, variable, body } = bindingOf(rpc);
  const field = variable?.field ?? "";
  const { [field]: name = "", ...rest } = request;
  const path = template.replace(/\{.*\}/, String(name));
  const query =
    body === ""
      ? `?${new URLSearchParams(Object.entries(rest).map(([key, value]) => [key, String(value)]))}`
      : "";
  const init = { method: httpMethod, ...(body === "" ? {} : { body: JSON.stringify(rest) }) };
  const response = await fetch(`${wires.baseUrl}${path}${query}`, init);
  const { error } = (await response.json()) as {
    error: { status: string; message: string; details: { reason: string }[] };
  };
  return { code: error.status, reason: error.details[0]?.reason ?? "", message: error.message };
}

async function overGrpc(rpc: string, request: Record<string, JsonValue>): Promise<Outcome> {
  const { method } = bindingOf(rpc);
  const { code, message, details } = statusOf(await failureOf(callBytes(method, request)));
  const info = details.find(({ type }) => type === "ErrorInfo")?.value;
  expect(details.filter(({ type }) => type === "ErrorInfo")).toHaveLength(1);
  const names = REGISTRY.getEnum("google.rpc.Code")?.values ?? [];
  const name = names.find(({ number }) => number === code)?.name ?? "";
  return { code: name, reason: info !== undefined && "reason" in info ? info.reason : "", message };
}

function callBytes(method: DescMethod, request: Record<string, JsonValue>): Promise<unknown> {
  const bytes = Buffer.from(toBinary(method.input, fromJson(method.input, request)));
  const keep = (value: Buffer) => value;
  return new Promise((resolve, reject) => {
    const path = `/${method.parent.typeName}/${method.name}`;
    client.makeUnaryRequest(path, keep, keep, bytes, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  });
}

const DEVICE = "devices/card0";
const OBJECT = `${DEVICE}/objects/1`;
const PINNED = `${DEVICE}/objects/2`;
const GONE = `${DEVICE}/objects/999`;

const TABLE: readonly [string, string, Record<string, JsonValue>, string, string][] = [
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
  ["REST", overRest],
  ["gRPC", overGrpc],
])("over %s", (_wire, call) => {
  it.each(TABLE)("%s is refused, and nothing changes", async (_what, rpc, request, reason, code) => {
    const before = await snapshot();
    const outcome = await call(rpc, request);
    expect(outcome).toMatchObject({ reason, code });
    expect(outcome.message).toMatch(/^[A-Z].*[.!]$/s);
    expect(await snapshot()).toEqual(before);
    device.checkInvariants();
  });

  it("a suspend while suspending is refused and names the one that runs, and so is what touches memory", async () => {
    const running = await device.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect(running.state).toBe("RUNNING");
    expect(await call("Suspend", { name: DEVICE })).toMatchObject({
      reason: "TRANSITION_IN_PROGRESS",
      code: "ABORTED",
    });
    expect(await call("Resume", { name: DEVICE })).toMatchObject({
      reason: "TRANSITION_IN_PROGRESS",
      code: "ABORTED",
    });
    expect(await call("PinObject", { name: OBJECT })).toMatchObject({
      reason: "DEVICE_TRANSITION",
      code: "UNAVAILABLE",
    });
    await expect.poll(() => device.execute({ type: "getDevice" })).toMatchObject({ powerState: "SUSPENDED" });
    const outcome = await call("PinObject", { name: OBJECT });
    expect(outcome).toMatchObject({ reason: "DEVICE_SUSPENDED", code: "FAILED_PRECONDITION" });
    expect(await call("Suspend", { name: DEVICE, state: "S2IDLE" })).toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    const name = `${DEVICE}/transitions/${running.id}`;
    expect(await call("CancelTransition", { name })).toMatchObject({ reason: "TRANSITION_NOT_CANCELLABLE" });
    await device.execute({ type: "resume" });
    device.checkInvariants();
  });
});
