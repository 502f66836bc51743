import { once } from "node:events";
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { SleepState } from "../../../src/contract/gen/torpor/v1/common.ts";
import {
  WriteObjectRequest as Write,
  type WriteObjectRequest,
  type WriteObjectResponse,
} from "../../../src/contract/gen/torpor/v1/memory.ts";
import {
  SuspendRequest,
  type Transition,
  Transition_State,
} from "../../../src/contract/gen/torpor/v1/power.ts";
import { DeviceError } from "../../../src/device/errors.ts";
import { MIB } from "../../../src/device/limits.ts";
import { GRPC_MESSAGE_BYTES_MAX } from "../../../src/server/limits.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { type DecodedStatus, decodeStatus, failureOf, statusOf } from "../../support/grpc-errors.ts";
import { hashOf, patternOf } from "../../support/test-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

const SIZE_BYTES = 3 * MIB;
const NAME = "devices/card0/objects/1";

let device: FakeDevice;
let wires: Wires;

beforeAll(async () => {
  device = new FakeDevice();
  wires = await startWires([device]);
  const object = { sizeBytes: SIZE_BYTES, regions: [], flags: [], alignmentBytes: 0, label: "" };
  await device.execute({ type: "createObject", ...object });
});
beforeEach(() => {
  device.failures.clear();
  device.commands.length = 0;
  device.gate = () => undefined;
  wires.calls.length = 0;
});
afterAll(() => wires[Symbol.asyncDispose]());

/** The status of a call with an empty, compressed message: with its details, or the bare code when it has none. */
async function rawStatus(path: string, headers: OutgoingHttpHeaders): Promise<DecodedStatus | string> {
  const session = connect(`http://${wires.grpcAddress}`);
  const fixed = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request({ ...fixed, ...headers });
  stream.end(Buffer.from([1, 0, 0, 0, 0]));
  const [answer]: IncomingHttpHeaders[] = await once(stream, "response");
  session.destroy();
  const details = answer?.["grpc-status-details-bin"];
  return details === undefined
    ? String(answer?.["grpc-status"])
    : decodeStatus(Buffer.from(String(details), "base64"));
}

function getDevice(name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    wires.devices.getDevice({ name }, (error, answer) => (error === null ? resolve(answer) : reject(error)));
  });
}

async function read(request: Partial<Parameters<typeof wires.memory.readObject>[0]>): Promise<Uint8Array[]> {
  const all = { name: NAME, offset: 0n, length: undefined, chunkSize: 0, holdDuringTransition: false };
  const chunks: Uint8Array[] = [];
  for await (const { data } of wires.memory.readObject({ ...all, ...request })) chunks.push(data);
  return chunks;
}

function write(...messages: Partial<WriteObjectRequest>[]): Promise<WriteObjectResponse> {
  return new Promise((resolve, reject) => {
    const call = wires.memory.writeObject((error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
    for (const message of messages) call.write(Write.fromPartial(message));
    call.end();
  });
}

describe("an error over gRPC", () => {
  it("carries exactly one ErrorInfo", async () => {
    const error = await failureOf(getDevice("devices/card9"));
    expect(error.code).toBe(status.NOT_FOUND);
    expect(error.details).toBe("There is no device card9.");
    expect(statusOf(error)).toEqual({
      code: status.NOT_FOUND,
      message: "There is no device card9.",
      details: [
        {
          type: "ErrorInfo",
          value: { reason: "DEVICE_NOT_FOUND", domain: "torpor", metadata: new Map([["device", "card9"]]) },
        },
      ],
    });
  });

  it("carries RetryInfo too when it is passing", async () => {
    device.failures.set(
      "getDevice",
      new DeviceError("DEVICE_TRANSITION", "Suspending.", { transition: "3" }),
    );
    const { details } = statusOf(await failureOf(getDevice("devices/card0")));
    expect(details).toMatchObject([
      { type: "ErrorInfo", value: { metadata: new Map([["transition", "devices/card0/transitions/3"]]) } },
      { type: "RetryInfo", value: { retryDelay: { seconds: 0n, nanos: 250_000_000 } } },
    ]);
  });

  it("that nobody foresaw is INTERNAL with details, and is in the log", async () => {
    device.failures.set("getDevice", new TypeError("x is undefined"));
    const error = await failureOf(getDevice("devices/card0"));
    expect(statusOf(error)).toMatchObject({
      code: status.INTERNAL,
      details: [{ value: { reason: "INTERNAL" } }],
    });
    expect(wires.log).toContainEqual(expect.objectContaining({ level: 50, reason: "INTERNAL" }));
  });

  it("survives texts that no trailer could carry", async () => {
    const error = await failureOf(getDevice(`devices/${"x".repeat(60_000)}`));
    expect(statusOf(error)).toMatchObject({ code: status.NOT_FOUND });
  });

  it("answers bytes that are no message", async () => {
    const client = new Client(wires.grpcAddress, credentials.createInsecure());
    const call = (bytes: Buffer) =>
      new Promise((resolve, reject) => {
        const keep = (value: Buffer) => value;
        client.makeUnaryRequest("/torpor.v1.DeviceService/GetDevice", keep, keep, bytes, (error, value) =>
          error === null ? resolve(value) : reject(error),
        );
      });
    const error = await failureOf(call(Buffer.from([0xff, 0xff])));
    expect(statusOf(error)).toMatchObject({ details: [{ value: { reason: "INVALID_REQUEST" } }] });
    const tooLarge = await failureOf(call(Buffer.alloc(GRPC_MESSAGE_BYTES_MAX + 1)));
    expect(tooLarge.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(statusOf(tooLarge)).toMatchObject({ details: [{ value: { reason: "LIMIT_EXCEEDED" } }] });
    client.close();
  });

  it.each([
    ["a deadline that has passed", { "grpc-timeout": "50m" }, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"],
    ["a deadline that is none", { "grpc-timeout": "soon" }, "INTERNAL", "INVALID_REQUEST"],
  ] as const)("has its ErrorInfo though the library found it: %s", async (_what, headers, code, reason) => {
    device.gate = () => new Promise((resolve) => setTimeout(resolve, 200));
    expect(await rawStatus("/torpor.v1.DeviceService/ListDevices", headers)).toEqual({
      code: status[code],
      message: expect.stringMatching(/^The call was ended: .*\.$/),
      details: [{ type: "ErrorInfo", value: { reason, domain: "torpor", metadata: new Map() } }],
    });
  });

  it("says that there is no such method", async () => {
    expect(await rawStatus("/torpor.v1.DeviceService/Explode", {})).toMatchObject({
      code: status.UNIMPLEMENTED,
      message: "There is no method /torpor.v1.DeviceService/Explode here.",
      details: [{ type: "ErrorInfo", value: { reason: "INVALID_REQUEST" } }],
    });
  });
});

describe("a transition over gRPC", () => {
  it("is answered running when the wait is 0", async () => {
    const suspend = promisify(wires.power.suspend.bind(wires.power));
    const wait = { seconds: 0n, nanos: 0 };
    const request = {
      name: "devices/card0",
      state: SleepState.S3,
      onIdleTimeout: 0,
      requestId: "",
      verify: false,
      hybrid: false,
      validateOnly: false,
    } as const;
    const answer = (await suspend({ ...request, idleTimeout: undefined, wait })) as Transition;
    expect(answer).toMatchObject({ state: Transition_State.RUNNING, endTime: undefined });
    expect(device.commands).toEqual([
      {
        type: "suspend",
        state: "S3",
        onIdleTimeout: "WEDGE",
        verify: false,
        hybrid: false,
        validateOnly: false,
        waitMs: 0,
      },
    ]);
  });

  it("does not take an enum value that it does not know", async () => {
    const suspend = promisify(wires.power.suspend.bind(wires.power));
    const request = {
      name: "devices/card0",
      state: 77 as SleepState,
      onIdleTimeout: 0,
      requestId: "",
      verify: false,
      hybrid: false,
      validateOnly: false,
    } as const;
    const error = await failureOf(
      suspend({ ...request, idleTimeout: undefined, wait: undefined }) as Promise<unknown>,
    );
    expect(statusOf(error)).toMatchObject({ details: [{ value: { reason: "INVALID_REQUEST" } }] });
  });
});

describe("a length of time over gRPC", () => {
  it("that is none (google.protobuf.Duration) is refused", async () => {
    const suspend = promisify(wires.power.suspend.bind(wires.power));
    const wait = { seconds: 1n, nanos: 2_000_000_000 };
    const error = await failureOf(
      suspend(SuspendRequest.create({ name: "devices/card0", wait })) as Promise<unknown>,
    );
    expect(statusOf(error)).toMatchObject({
      message: "Field wait (1s 2000000000ns) is not within 0s to 86400s.",
    });
  });
});

describe("ReadObject", () => {
  it("streams the content in chunks of 256 KiB, or of the size asked for", async () => {
    const bytes = patternOf(1, SIZE_BYTES);
    device.bytesOf("1").set(bytes);
    const chunks = await read({});
    expect(chunks.map((chunk) => chunk.length)).toEqual(Array(12).fill(256 * 1024));
    expect(hashOf(Buffer.concat(chunks))).toBe(hashOf(bytes));
    expect((await read({ chunkSize: MIB })).map((chunk) => chunk.length)).toEqual([MIB, MIB, MIB]);
    expect(await read({ offset: 5n, length: 3n })).toEqual([Buffer.from(bytes.subarray(5, 8))]);
    expect(await read({ offset: BigInt(SIZE_BYTES) })).toEqual([]);
  });

  it("asks the device also when no byte is wanted, for none could be had", async () => {
    device.failures.set("readObject", new DeviceError("DEVICE_SUSPENDED", "It sleeps."));
    const error = await failureOf(read({ length: 0n }));
    device.failures.clear();
    expect(statusOf(error)).toMatchObject({ details: [{ value: { reason: "DEVICE_SUSPENDED" } }] });
  });

  it("asks for the next chunk only when the client takes them", async () => {
    const object = { sizeBytes: 64 * MIB, regions: [], flags: [], alignmentBytes: 0, label: "" };
    const { id } = await device.execute({ type: "createObject", ...object });
    const name = `devices/card0/objects/${id}`;
    const all = { name, offset: 0n, length: undefined, chunkSize: MIB, holdDuringTransition: false };
    const call = wires.memory.readObject(all);
    const reads = () => device.commands.filter(({ type }) => type === "readObject").length;
    await call[Symbol.asyncIterator]().next();
    await sleep(300);
    // What lies between is bounded by the buffers of both ends (16 messages each), not by the size of the object.
    const before = reads();
    expect(before).toBeLessThan(50);
    call.on("error", () => undefined);
    call.cancel();
    await expect
      .poll(() => wires.calls)
      .toContainEqual(expect.objectContaining({ method: "ReadObject", code: "CANCELLED" }));
    expect(reads()).toBe(before);
  });

  it.each([
    [{ offset: BigInt(SIZE_BYTES), length: 1n }, "INVALID_RANGE"],
    [{ offset: -1n }, "INVALID_RANGE"],
    [{ length: -1n }, "INVALID_RANGE"],
    [{ offset: BigInt(SIZE_BYTES) + 1n }, "INVALID_RANGE"],
    [{ offset: 2n ** 60n }, "INVALID_REQUEST"],
    [{ chunkSize: MIB + 1 }, "INVALID_REQUEST"],
    [{ chunkSize: -1 }, "INVALID_REQUEST"],
    [{ name: "devices/card0" }, "INVALID_REQUEST"],
    [{ name: "devices/card0/objects/99" }, "OBJECT_NOT_FOUND"],
  ])("refuses %o with %s", async (request, reason) => {
    expect(statusOf(await failureOf(read(request)))).toMatchObject({ details: [{ value: { reason } }] });
    expect(device.commands.filter(({ type }) => type === "readObject")).toEqual([]);
  });

  it("ends with the error of a later chunk", async () => {
    device.gate = async (command) => {
      if (command.type === "readObject" && command.offsetBytes > 0) {
        throw new DeviceError("CONTENT_UNKNOWN", "Nobody can vouch for it.");
      }
    };
    expect(statusOf(await failureOf(read({})))).toMatchObject({
      details: [{ value: { reason: "CONTENT_UNKNOWN" } }],
    });
  });
});

describe("WriteObject", () => {
  it("writes what it is sent, from the offset on", async () => {
    const bytes = patternOf(2, 2 * MIB);
    const first = { name: NAME, offset: 10n, size: BigInt(bytes.length), data: bytes.subarray(0, 100) };
    const answer = await write(first, { data: bytes.subarray(100, MIB) }, {}, { data: bytes.subarray(MIB) });
    expect(answer).toEqual({ bytesWritten: BigInt(bytes.length) });
    expect(hashOf(device.bytesOf("1").subarray(10, 10 + bytes.length))).toBe(hashOf(bytes));
    expect(device.commands[0]).toMatchObject({ declaredBytes: bytes.length });
    expect(device.commands[0]).not.toHaveProperty("hold");
    expect(device.commands.at(-1)).toMatchObject({ hold: "until-active" });
  });

  it("needs no declared size", async () => {
    expect(await write({ name: NAME }, { data: new Uint8Array(5) })).toEqual({ bytesWritten: 5n });
  });

  it.each<[string, Partial<WriteObjectRequest>[], string, string | undefined]>([
    ["that does not fit", [{ name: NAME, size: BigInt(SIZE_BYTES) + 1n }], "INVALID_RANGE", "0"],
    [
      "that is longer than declared",
      [{ name: NAME, size: 4n, data: new Uint8Array(3) }, { data: new Uint8Array(2) }],
      "INVALID_SIZE",
      "3",
    ],
    [
      "that is shorter than declared",
      [{ name: NAME, size: 4n, data: new Uint8Array(3) }],
      "INVALID_SIZE",
      "3",
    ],
    ["with a chunk over 1 MiB", [{ name: NAME, data: new Uint8Array(MIB + 1) }], "INVALID_REQUEST", "0"],
    ["that names its object again", [{ name: NAME }, { name: NAME }], "INVALID_REQUEST", undefined],
    ["without a message", [], "INVALID_REQUEST", undefined],
    ["without a name", [{ data: new Uint8Array(3) }], "INVALID_REQUEST", undefined],
  ])("refuses a stream %s", async (_what, messages, reason, bytesWritten) => {
    const { details } = statusOf(await failureOf(write(...messages)));
    expect(details).toMatchObject([{ value: { reason } }]);
    const info = details[0]?.value;
    expect(info !== undefined && "metadata" in info ? info.metadata.get("bytesWritten") : undefined).toBe(
      bytesWritten,
    );
  });

  it("keeps the bytes that arrived when the client goes away", async () => {
    const call = wires.memory.writeObject(() => undefined);
    const bytes = patternOf(3, MIB);
    call.write(Write.fromPartial({ name: NAME, size: BigInt(2 * MIB), data: bytes }));
    await expect.poll(() => hashOf(device.bytesOf("1").subarray(0, MIB))).toBe(hashOf(bytes));
    call.cancel();
    const line = { msg: "An upload ended before its end.", bytesWritten: MIB };
    await expect.poll(() => wires.log).toContainEqual(expect.objectContaining(line));
    await expect
      .poll(() => wires.calls)
      .toContainEqual(expect.objectContaining({ method: "WriteObject", code: "CANCELLED" }));
  });
});

describe("the observer", () => {
  it("is told of each call by the names of the schema", async () => {
    await getDevice("devices/card0");
    await failureOf(getDevice("devices/card9"));
    const call = { service: "torpor.v1.DeviceService", method: "GetDevice", seconds: expect.any(Number) };
    await expect
      .poll(() => wires.calls)
      .toEqual([
        { ...call, code: "OK" },
        { ...call, code: "NOT_FOUND" },
      ]);
  });
});
