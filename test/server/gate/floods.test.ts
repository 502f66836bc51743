/**
 * A stranger's connection that makes too many calls, or breaks the protocol: it is held and not read, so that
 * it costs nothing more, and others on the same address are served.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { UNKNOWN_CALLS_PER_SECOND, UNKNOWN_CONNECTIONS_MAX } from "../../../src/server/limits.ts";
import { callHeaders, FLAG, FRAME, frame, PREFACE } from "../../attack/siege/frames.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { openSession, rawCall } from "../../support/grpc-frames.ts";
import { startWires, type Wires } from "../../support/wires.ts";

const CHECK = "/grpc.health.v1.Health/Check";
/** Far more than the buffers of both ends of a connection take. Unit: bytes. */
const MUCH_BYTES = 64 * 2 ** 20;
const RESET = Buffer.from([0, 0, 0, 8]);
/** What begins as HTTP/2 and cannot be read on. */
const BROKEN = Buffer.concat([
  PREFACE,
  frame({ type: FRAME.settings }),
  frame({ type: FRAME.continuation, stream: 1, payload: Buffer.alloc(10) }),
]);

async function open(address: string): Promise<Socket & AsyncDisposable> {
  const [host = "", port = ""] = address.split(":");
  const socket = connect(Number(port), host);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return Object.assign(socket.resume(), {
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  });
}

/** Whether the other end takes no more, and has not closed either. */
async function expectHeld(socket: Socket): Promise<void> {
  socket.write(Buffer.alloc(MUCH_BYTES));
  for (let count = 0; count < 100; count++) await turn();
  expect(socket.writableLength).toBeGreaterThan(0);
  expect(socket.closed).toBe(false);
}

async function expectServed(wires: Wires): Promise<void> {
  expect((await fetch(`${wires.baseUrl}/livez`)).status).toBe(200);
  await using session = await openSession(wires.grpcAddress);
  expect(await rawCall(session, { path: CHECK })).toMatchObject({ code: "OK" });
}

function restAddress({ baseUrl }: Wires): string {
  return baseUrl.replace("http://", "");
}

describe("a connection of somebody unknown over REST", () => {
  it.each([
    ["that there is", "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["that cannot be read", "GET /v1/devices/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ])("is not read any more after too many requests for a path %s", async (_, request) => {
    await using wires = await startWires([new FakeDevice()]);
    await using socket = await open(restAddress(wires));
    let answers = "";
    socket.on("data", (chunk: Buffer) => {
      answers += String(chunk);
    });
    // Some more come in than are in the bucket, as long as they are read.
    socket.write(request.repeat(40 * UNKNOWN_CALLS_PER_SECOND));
    await expect.poll(() => wires.connectionEnds).toEqual(["rest flood"]);
    await expectHeld(socket);
    expect(answers.split("HTTP/1.1 ").length).toBeLessThan(4 * UNKNOWN_CALLS_PER_SECOND);
    await expectServed(wires);
  });

  it("is read on when somebody becomes known on it", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using socket = await open(restAddress(wires));
    let answers = "";
    socket.on("data", (chunk: Buffer) => {
      answers += String(chunk);
    });
    const known = "GET /v1/devices HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const refused = "GET /v1/devices/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const count = 3 * UNKNOWN_CALLS_PER_SECOND;
    socket.write(known + refused.repeat(count));
    await expect.poll(() => answers.split("HTTP/1.1 400").length - 1).toBe(count);
    expect(wires.connectionEnds).toEqual([]);
  });
});

describe("a connection of somebody unknown over gRPC", () => {
  it("is not read any more after too many calls that are reset at once", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using socket = await open(wires.grpcAddress);
    const payload = callHeaders(CHECK);
    const calls = Array.from({ length: 20 * UNKNOWN_CALLS_PER_SECOND }, (_, at) => {
      const stream = 2 * at + 1;
      const begun = frame({ type: FRAME.headers, flags: FLAG.endHeaders, stream, payload });
      return Buffer.concat([begun, frame({ type: FRAME.reset, stream, payload: RESET })]);
    });
    socket.write(Buffer.concat([PREFACE, frame({ type: FRAME.settings }), ...calls]));
    await expect.poll(() => wires.connectionEnds).toEqual(["grpc flood"]);
    await expectHeld(socket);
    await expectServed(wires);
  });

  it.each([
    ["metadata without an end", { type: FRAME.continuation, stream: 1, payload: Buffer.alloc(16_000) }],
    ["a frame that has no place there", { type: FRAME.data, stream: 1, payload: Buffer.alloc(10) }],
  ])("is not read any more after %s", async (_, more) => {
    await using wires = await startWires([new FakeDevice()]);
    await using socket = await open(wires.grpcAddress);
    const head = { type: FRAME.headers, stream: 1, payload: callHeaders(CHECK) };
    const begun = [PREFACE, frame({ type: FRAME.settings }), frame(head)];
    const rest = Array.from({ length: 50 }, () => frame(more));
    socket.write(Buffer.concat([...begun, ...rest]));
    await expect.poll(() => wires.connectionEnds).toEqual(["grpc broken"]);
    await expectHeld(socket);
    await expectServed(wires);
  });

  it("is ended at once for what cannot be read when somebody is known on it", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using socket = await open(wires.grpcAddress);
    const payload = callHeaders("/torpor.v1.DeviceService/ListDevices");
    const call = { type: FRAME.headers, flags: FLAG.endHeaders, stream: 1, payload };
    const message = { type: FRAME.data, flags: FLAG.endStream, stream: 1, payload: Buffer.alloc(5) };
    socket.write(Buffer.concat([PREFACE, frame({ type: FRAME.settings }), frame(call), frame(message)]));
    await expect.poll(() => wires.calls.map(({ code }) => code)).toEqual(["OK"]);
    const closed = once(socket, "close");
    socket.write(frame({ type: FRAME.continuation, stream: 3, payload: Buffer.alloc(10) }));
    await closed;
    expect(wires.connectionEnds).toEqual([]);
  });

  it("is closed in the end", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using socket = await open(wires.grpcAddress);
    const closed = once(socket, "close");
    socket.write(BROKEN);
    await expect.poll(() => wires.connectionEnds).toEqual(["grpc broken"]);
    await closed;
  });

  it("makes way before those that have done nothing", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using idle = await open(wires.grpcAddress);
    await using socket = await open(wires.grpcAddress);
    const closed = once(socket, "close");
    socket.write(BROKEN);
    await expect.poll(() => wires.connectionEnds).toEqual(["grpc broken"]);
    const others: Socket[] = [];
    while (others.length < UNKNOWN_CONNECTIONS_MAX - 1) others.push(await open(wires.grpcAddress));
    await closed;
    expect(idle.closed).toBe(false);
    expect(others.every((other) => !other.closed)).toBe(true);
    expect(wires.connectionEnds).toEqual(["grpc broken"]);
    for (const other of others) other.destroy();
  });
});
