/** Work that is wrong is refused with the same reason over both wires, and leaves the device as it was. */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { WAIT_FENCES_MAX, WORK_COMMANDS_MAX } from "../../../src/device/limits.ts";
import type { Device } from "../../../src/device/mod.ts";
import { bootThreaded, KIB } from "../../support/test-device.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

const DEVICE = "devices/card0";
const RCS = `${DEVICE}/engines/rcs0`;
/** Of 64 KiB. */
const OBJECT = "1";
const PURGED = "2";
const IDLE = `${DEVICE}/contexts/1`;
const ACTIVE = `${DEVICE}/contexts/2`;
const BANNED = `${DEVICE}/contexts/3`;
const SIZE = 64 * KIB;

let device: Device;
let wires: Wires;
/** Name of the fence of a spin that lasts longer than the tests. */
let pending: string;

beforeAll(async () => {
  ({ device } = await bootThreaded({ engines: ["rcs0", "ccs0", "bcs0"] }));
  wires = await startWires([device]);
  const { overRest: call } = wires;
  for (let id = 1; id <= 2; id++) await call("CreateObject", { parent: DEVICE, size: String(SIZE) });
  await call("AdviseObject", { name: `${DEVICE}/objects/${PURGED}`, advice: "DONT_NEED" });
  for (const engine of ["rcs0", "ccs0", "rcs0"]) await call("CreateContext", { parent: DEVICE, engine });
  for (let times = 0; times < 3; times++) {
    const fence = await call("SubmitWork", { name: BANNED, commands: [{ hang: {} }], wait: "0.05s" });
    await call("ResetEngine", { name: RCS });
    expect((await call("WaitFence", { name: fence.name ?? "", timeout: "10s" })).state).toBe("FAILED");
  }
  await keepBusy();
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  await device.close();
});

async function keepBusy(): Promise<void> {
  const spin = { name: ACTIVE, commands: [{ spin: { duration: "3600s" } }] };
  pending = String((await wires.overRest("SubmitWork", spin)).name);
  // Until it runs, its context is on its way into local memory.
  await vi.waitFor(async () => {
    const { state } = await device.execute({ type: "getEngine", engine: "ccs0" });
    expect(state).toBe("RUNNING");
  });
}

/** All that a client can see and that does not go on by itself. */
async function snapshot(): Promise<unknown> {
  const page = { afterId: "", limit: 1000 };
  const engines = await device.execute({ type: "listEngines" });
  return {
    device: await device.execute({ type: "getDevice" }),
    objects: await device.execute({ type: "listObjects", ...page, showDeviceOwned: true }),
    contexts: await device.execute({ type: "listContexts", ...page }),
    engines: engines.map(({ busyNs: _, queueDepth: _depth, state: _state, ...rest }) => rest),
  };
}

function submit(command: JsonObject): JsonObject {
  return { name: IDLE, commands: [{ hang: {} }, command] };
}

const INVALID = "INVALID_ARGUMENT";
const RANGE = ["INVALID_RANGE", INVALID] as const;
const REQUEST = ["INVALID_REQUEST", INVALID] as const;

const COMMANDS: readonly [string, JsonObject, string, string][] = [
  ["a fill outside its object", { fill: { object: OBJECT, offset: SIZE - 4, length: 8 } }, ...RANGE],
  ["a fill of nothing", { fill: { object: OBJECT } }, ...RANGE],
  ["a fill of a negative length", { fill: { object: OBJECT, length: -4 } }, ...RANGE],
  ["a fill whose offset is not aligned", { fill: { object: OBJECT, offset: 2, length: 4 } }, ...RANGE],
  ["an add of half a dword", { add: { object: OBJECT, length: 6, value: 1 } }, ...RANGE],
  ["an xor whose offset is not aligned", { xor: { object: OBJECT, offset: 1, length: 4 } }, ...RANGE],
  [
    "a copy from outside its source",
    { copy: { source: OBJECT, sourceOffset: -1, destination: OBJECT, destinationOffset: 8, length: 4 } },
    ...RANGE,
  ],
  [
    "a copy that overlaps itself",
    { copy: { source: OBJECT, destination: OBJECT, destinationOffset: 4, length: 8 } },
    ...RANGE,
  ],
  [
    "a copy to no object",
    { copy: { source: OBJECT, destination: "999", length: 8 } },
    "OBJECT_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "a checksum to where it is not aligned",
    { checksum: { object: OBJECT, length: 8, destination: OBJECT, destinationOffset: 9 } },
    ...RANGE,
  ],
  ["a store at the end of its object", { storeDword: { object: OBJECT, offset: SIZE } }, ...RANGE],
  ["a store whose offset is not aligned", { storeDword: { object: OBJECT, offset: 3 } }, ...RANGE],
  ["a store beyond 2^53", { storeDword: { object: OBJECT, offset: "9223372036854775804" } }, ...REQUEST],
  ["a store in no object", { storeDword: { object: "weights" } }, "OBJECT_NOT_FOUND", "NOT_FOUND"],
  ["a store without an object", { storeDword: { offset: 0 } }, ...REQUEST],
  [
    "a store in an object of another device",
    { storeDword: { object: "devices/card1/objects/1" } },
    ...REQUEST,
  ],
  ["a store in what is no object", { storeDword: { object: `${DEVICE}/regions/lmem0` } }, ...REQUEST],
  ["a store in an object of the device itself", { storeDword: { object: "k1" } }, ...REQUEST],
  [
    "a store in an object advised DONT_NEED",
    { storeDword: { object: PURGED } },
    "OBJECT_PURGED",
    "FAILED_PRECONDITION",
  ],
  ["a timestamp whose offset is not aligned", { timestamp: { object: OBJECT, offset: 4 } }, ...RANGE],
  ["a wait outside its object", { waitSemaphore: { object: OBJECT, offset: SIZE, value: 1 } }, ...RANGE],
  ["a load of register 16", { loadRegister: { register: 16, value: "1" } }, ...RANGE],
  ["a store of register 16", { storeRegister: { register: 16, object: OBJECT } }, ...RANGE],
  [
    "a store of a register over the end",
    { storeRegister: { register: 0, object: OBJECT, offset: SIZE - 4 } },
    ...RANGE,
  ],
  ["a spin that is too long", { spin: { duration: "3600.1s" } }, ...RANGE],
  ["a spin of negative length", { spin: { duration: "-1s" } }, ...RANGE],
  ["a spin without a length", { spin: {} }, ...REQUEST],
  ["a command that says nothing", {}, ...REQUEST],
];

const ONE = [{ spin: { duration: "0s" } }];
const many = (length: number) => Array.from({ length }, () => ({ hang: {} }));

type Row = [what: string, rpc: string, request: JsonObject, reason: string, code: string];

const TABLE: readonly Row[] = [
  [
    "an engine that is none",
    "GetEngine",
    { name: `${DEVICE}/engines/xcs0` },
    "ENGINE_NOT_FOUND",
    "NOT_FOUND",
  ],
  ["the engines of no device", "ListEngines", { parent: "devices/card9" }, "DEVICE_NOT_FOUND", "NOT_FOUND"],
  [
    "a reset of no engine",
    "ResetEngine",
    { name: `${DEVICE}/engines/rcs9` },
    "ENGINE_NOT_FOUND",
    "NOT_FOUND",
  ],
  ["a reset of no device", "ResetDevice", { name: "devices/card9" }, "DEVICE_NOT_FOUND", "NOT_FOUND"],
  [
    "a context on no engine",
    "CreateContext",
    { parent: DEVICE, engine: "xcs0" },
    "ENGINE_NOT_FOUND",
    "NOT_FOUND",
  ],
  ["a context without an engine", "CreateContext", { parent: DEVICE }, ...REQUEST],
  [
    "a context on an engine of another device",
    "CreateContext",
    { parent: DEVICE, engine: "devices/card1/engines/rcs0" },
    ...REQUEST,
  ],
  [
    "a context that is none",
    "GetContext",
    { name: `${DEVICE}/contexts/999` },
    "CONTEXT_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "a delete of no context",
    "DeleteContext",
    { name: `${DEVICE}/contexts/x` },
    "CONTEXT_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "a delete of an active context",
    "DeleteContext",
    { name: ACTIVE },
    "CONTEXT_ACTIVE",
    "FAILED_PRECONDITION",
  ],
  ["a negative page size", "ListContexts", { parent: DEVICE, pageSize: -1 }, ...REQUEST],
  [
    "a page token made up",
    "ListContexts",
    { parent: DEVICE, pageToken: "MQ" },
    "INVALID_PAGE_TOKEN",
    INVALID,
  ],
  [
    "work for no context",
    "SubmitWork",
    { name: `${DEVICE}/contexts/999`, commands: ONE },
    "CONTEXT_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "work for a banned context",
    "SubmitWork",
    { name: BANNED, commands: ONE },
    "CONTEXT_BANNED",
    "FAILED_PRECONDITION",
  ],
  ["no work", "SubmitWork", { name: IDLE }, ...REQUEST],
  ["too much work", "SubmitWork", { name: IDLE, commands: many(WORK_COMMANDS_MAX + 1) }, ...REQUEST],
  ["a negative wait", "SubmitWork", { name: IDLE, commands: ONE, wait: "-1s" }, ...REQUEST],
  [
    "work that waits for no fence",
    "SubmitWork",
    { name: IDLE, commands: ONE, waitFences: ["999"] },
    "FENCE_NOT_FOUND",
    "NOT_FOUND",
  ],
  [
    "work that waits for a fence of another device",
    "SubmitWork",
    { name: IDLE, commands: ONE, waitFences: ["devices/card1/fences/1"] },
    ...REQUEST,
  ],
  [
    "work that waits for too many fences",
    "SubmitWork",
    { name: IDLE, commands: ONE, waitFences: Array.from({ length: WAIT_FENCES_MAX + 1 }, () => "1") },
    ...REQUEST,
  ],
  ...COMMANDS.map(
    ([what, command, reason, code]): Row => [what, "SubmitWork", submit(command), reason, code],
  ),
  ["a fence that is none", "GetFence", { name: `${DEVICE}/fences/999` }, "FENCE_NOT_FOUND", "NOT_FOUND"],
  ["a wait for no fence", "WaitFence", { name: `${DEVICE}/fences/x` }, "FENCE_NOT_FOUND", "NOT_FOUND"],
  ["a timeout too long", "WaitFence", { name: `${DEVICE}/fences/1`, timeout: "3601s" }, ...REQUEST],
  ["a negative timeout", "WaitFence", { name: `${DEVICE}/fences/1`, timeout: "-1s" }, ...REQUEST],
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
  });

  it.each(COMMANDS.filter(([, , reason]) => reason === "INVALID_RANGE" || reason === "INVALID_REQUEST"))(
    "%s is named by its place",
    async (_what, command) => {
      const outcome = await refusalOf(call("SubmitWork", submit(command)));
      if (outcome.message.startsWith("Command ")) expect(outcome.metadata.command).toBe("1");
      else expect(outcome.message).toContain("device");
    },
  );

  it("a fence that is still pending is no answer within the timeout, and no end of the work", async () => {
    const outcome = await refusalOf(call("WaitFence", { name: pending, timeout: "0.01s" }));
    expect(outcome).toMatchObject({ reason: "DEADLINE_EXCEEDED", code: "DEADLINE_EXCEEDED" });
    expect((await call("GetFence", { name: pending })).state).toBe("PENDING");
  });

  it("what needs an ACTIVE device is refused while it sleeps, and what reads is answered", async () => {
    await device.execute({ type: "suspend", state: "S2IDLE", idleTimeoutMs: 10 });
    for (const [method, request] of [
      ["ResetEngine", { name: RCS }],
      ["CreateContext", { parent: DEVICE, engine: "rcs0" }],
      ["DeleteContext", { name: IDLE }],
      ["SubmitWork", { name: IDLE, commands: ONE }],
      ["ResetDevice", { name: DEVICE }],
    ] satisfies [string, JsonObject][]) {
      const refusal = await refusalOf(call(method, request));
      expect(refusal, method).toMatchObject({ code: "FAILED_PRECONDITION", reason: "DEVICE_SUSPENDED" });
    }
    expect(await call("GetEngine", { name: RCS })).toMatchObject({ state: "HALTED", queueDepth: 0 });
    expect((await call("ListContexts", { parent: DEVICE })).contexts).toHaveLength(3);
    expect(await call("WaitFence", { name: pending, timeout: "0s" })).toMatchObject({
      state: "FAILED",
      error: { reason: "ENGINE_HUNG" },
    });
    await device.execute({ type: "resume" });
    await keepBusy();
  });
});

describe("over REST alone", () => {
  const post = async (path: string, body: string) => {
    const response = await fetch(`${wires.baseUrl}/v1/${path}`, { method: "POST", body });
    return { status: response.status, text: await response.text() };
  };

  it.each([
    ["a command with two things to do", `{"commands":[{"hang":{},"spin":{"duration":"1s"}}]}`],
    ["a command that is none", `{"commands":[{"draw":{}}]}`],
    ["a command with a field too many", `{"commands":[{"hang":{"now":true}}]}`],
    ["a pattern of 33 bits", `{"commands":[{"fill":{"object":"1","length":4,"pattern":4294967296}}]}`],
    ["a register of 65 bits", `{"commands":[{"loadRegister":{"value":"18446744073709551616"}}]}`],
    ["a negative register", `{"commands":[{"loadRegister":{"value":-1}}]}`],
  ])("%s is not read", async (_what, body) => {
    const { status, text } = await post(`${IDLE}:submit`, body);
    expect(status).toBe(400);
    expect(text).toContain(`"reason":"INVALID_REQUEST"`);
  });

  it("a priority or a scope that is none is not read", async () => {
    for (const [path, body] of [
      [`${DEVICE}/contexts`, `{"engine":"rcs0","priority":"HIGHEST"}`],
      [`${DEVICE}:reset`, `{"scope":"ALL"}`],
    ]) {
      expect((await post(path ?? "", body ?? "")).status).toBe(400);
    }
  });
});
