/** What somebody without credentials can do to a daemon, and what bounds it. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { HealthCheckRequest } from "../../../src/contract/gen/grpc/health/v1/health.ts";
import {
  GRPC_METADATA_BYTES_MAX,
  HEALTH_WATCHES_MAX,
  OPEN_REQUEST_BYTES_MAX,
  STRANGER_LINES_AT_ONCE,
  UNKNOWN_CALLS_PER_SECOND,
  UNKNOWN_CONNECTIONS_MAX,
} from "../../../src/server/limits.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { envelope, openSession, rawCall } from "../../support/grpc-frames.ts";
import { startWires } from "../../support/wires.ts";

const CHECK = "/grpc.health.v1.Health/Check";
const WATCH = "/grpc.health.v1.Health/Watch";
const LIST_DEVICES = "/torpor.v1.DeviceService/ListDevices";

function named(service: string): Buffer {
  return envelope(HealthCheckRequest.encode({ service }).finish());
}

describe("a stranger over gRPC", () => {
  it.each([CHECK, WATCH, LIST_DEVICES, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"])(
    "sends nothing compressed to %s",
    async (path) => {
      await using wires = await startWires([new FakeDevice()]);
      await using session = await openSession(wires.grpcAddress);
      const body = envelope(gzipSync(Buffer.alloc(4_000_000)), true);
      for (const encoding of ["gzip", "deflate", "snappy"]) {
        const end = await rawCall(session, { path, body, headers: { "grpc-encoding": encoding } });
        expect(end).toMatchObject({ code: "UNIMPLEMENTED", reason: "INVALID_REQUEST" });
        expect(end.message).toContain(`grpc-encoding ${encoding}`);
      }
      expect(await rawCall(session, { path: CHECK })).toMatchObject({ code: "OK" });
    },
  );

  it("asks for the health of no name that is longer than any", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using session = await openSession(wires.grpcAddress);
    for (const path of [CHECK, WATCH]) {
      const end = await rawCall(session, { path, body: named("n".repeat(OPEN_REQUEST_BYTES_MAX)) });
      expect(end).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "LIMIT_EXCEEDED" });
    }
    const long = await rawCall(session, { path: CHECK, body: named("\u{1f600}".repeat(1000)) });
    expect(long.code).toBe("NOT_FOUND");
    expect(long.message.length).toBeLessThan(300);
    expect(await rawCall(session, { path: CHECK })).toMatchObject({ code: "OK" });
  });

  it("loses the call and not the connection for too much metadata", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using session = await openSession(wires.grpcAddress);
    const other = session.request({ ":method": "POST", ":path": WATCH, "content-type": "application/grpc" });
    other.on("error", () => undefined);
    other.end(named(""));
    await once(other, "data");
    const text = "v".repeat(GRPC_METADATA_BYTES_MAX);
    const end = await rawCall(session, { path: CHECK, headers: { "x-large": text } });
    expect(end).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "LIMIT_EXCEEDED" });
    const many = Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`x-large-${at}`, text]));
    expect((await rawCall(session, { path: CHECK, headers: many })).code).not.toBe("OK");
    expect(other.closed).toBe(false);
    expect(await rawCall(session, { path: CHECK })).toMatchObject({ code: "OK" });
  });

  it("writes nothing into the log with metadata that gRPC does not allow, and is served without them", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using session = await openSession(wires.grpcAddress);
    for (let count = 0; count < 30; count++) {
      const headers = { "x!odd": "v".repeat(5000), "x-high": "\u00ff" };
      expect(await rawCall(session, { path: LIST_DEVICES, headers })).toMatchObject({ code: "OK" });
    }
    expect(wires.log.filter(({ msg }) => !String(msg).startsWith("Server listening"))).toEqual([]);
  });

  it("is told of a method that there is not, and has it logged a few times only", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using session = await openSession(wires.grpcAddress);
    for (let count = 0; count < STRANGER_LINES_AT_ONCE + 20; count++) {
      const end = await rawCall(session, { path: `/torpor.v1.No/${"n".repeat(9000)}${count}` });
      expect(end).toMatchObject({ code: "UNIMPLEMENTED", reason: "INVALID_REQUEST" });
    }
    expect(wires.log.length).toBeLessThan(STRANGER_LINES_AT_ONCE + 10);
    expect(JSON.stringify(wires.log).length).toBeLessThan(20_000);
  });

  it("that holds all watches of health loses them to others who want one", async () => {
    await using wires = await startWires([new FakeDevice()]);
    // Known, so that it may have that many.
    const greedy = await Promise.all([1, 2].map(() => openSession(wires.grpcAddress)));
    for (const session of greedy) await rawCall(session, { path: LIST_DEVICES });
    await using modest = await openSession(wires.grpcAddress);
    const watch = (session: (typeof greedy)[number]) =>
      rawCall(session, { path: WATCH, body: named("") }).then(({ code, reason }) => ({ code, reason }));
    const theirs = greedy.flatMap((session) =>
      Array.from({ length: HEALTH_WATCHES_MAX / 2 }, () => watch(session)),
    );
    await expect.poll(() => wires.watches).toBe(HEALTH_WATCHES_MAX);
    const ours = modest.request({ ":method": "POST", ":path": WATCH, "content-type": "application/grpc" });
    ours.on("error", () => undefined);
    ours.end(named(""));
    await once(ours, "data");
    expect(await Promise.race(theirs)).toEqual({ code: "UNAVAILABLE", reason: "OVERLOADED" });
    expect(wires.watches).toBe(HEALTH_WATCHES_MAX);
    expect(ours.closed).toBe(false);
    for (const session of greedy) session.destroy();
    await expect.poll(() => wires.watches).toBe(1);
  });

  it("is not answered any more when it calls too often, and nobody else is harmed", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using known = await openSession(wires.grpcAddress);
    await rawCall(known, { path: LIST_DEVICES });
    await using flooding = await openSession(wires.grpcAddress);
    const closed = once(flooding, "close");
    const calls = Array.from({ length: 2 * UNKNOWN_CALLS_PER_SECOND - 10 }, () =>
      rawCall(flooding, { path: CHECK }),
    );
    await closed;
    const answered = (await Promise.all(calls)).filter(({ code }) => code === "OK");
    expect(answered.length).toBeGreaterThanOrEqual(UNKNOWN_CALLS_PER_SECOND);
    expect(answered.length).toBeLessThan(2 * UNKNOWN_CALLS_PER_SECOND - 10);
    const others = Array.from({ length: 3 * UNKNOWN_CALLS_PER_SECOND }, () =>
      rawCall(known, { path: CHECK }),
    );
    expect((await Promise.all(others)).every(({ code }) => code === "OK")).toBe(true);
  });
});

describe("connections that never speak", () => {
  it.each(["rest", "grpc"] as const)("make way for others over %s", async (wire) => {
    await using wires = await startWires([new FakeDevice()]);
    const address = wire === "rest" ? wires.baseUrl.replace("http://", "") : wires.grpcAddress;
    const [host = "", port = ""] = address.split(":");
    const open: Socket[] = [];
    let ended = 0;
    for (let count = 0; count < UNKNOWN_CONNECTIONS_MAX + 20; count++) {
      const socket = connect(Number(port), host);
      socket.on("error", () => undefined).on("close", () => ended++);
      await once(socket, "connect");
      open.push(socket.resume());
    }
    await expect.poll(() => ended).toBe(20);
    expect(open.slice(0, 20).every(({ destroyed }) => destroyed)).toBe(true);
    if (wire === "rest") expect((await fetch(`${wires.baseUrl}/livez`)).status).toBe(200);
    else {
      await using session = await openSession(wires.grpcAddress);
      expect(await rawCall(session, { path: CHECK })).toMatchObject({ code: "OK" });
    }
    for (const socket of open) socket.destroy();
  });
});
