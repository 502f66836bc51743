/**
 * Every call that ends is counted with the code that its caller saw, whoever ended it, and so says its line
 * of the audit log.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { SuspendRequest } from "../../../src/contract/gen/torpor/v1/power.ts";
import { GRPC_MESSAGE_BYTES_MAX, OPEN_ARRIVAL_MS } from "../../../src/server/limits.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { envelope, openSession, type RawCall, rawCall } from "../../support/grpc-frames.ts";
import { sendRaw } from "../../support/raw-http.ts";
import { startWires } from "../../support/wires.ts";

const SUSPEND = "/torpor.v1.PowerService/Suspend";
const WRITE = "/torpor.v1.MemoryService/WriteObject";

const NAMED = envelope(SuspendRequest.encode(SuspendRequest.create({ name: "devices/card0" })).finish());

/** A message that says it has one byte more than any may have. */
function oversize(): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt32BE(GRPC_MESSAGE_BYTES_MAX + 1, 1);
  return head;
}

const ENDS: readonly (readonly [what: string, call: RawCall, code: string])[] = [
  [
    "a deadline that passes",
    { path: SUSPEND, body: NAMED, headers: { "grpc-timeout": "50m" } },
    "DEADLINE_EXCEEDED",
  ],
  ["a timeout that is none", { path: SUSPEND, headers: { "grpc-timeout": "soon" } }, "INTERNAL"],
  ["a message that is too large", { path: SUSPEND, body: oversize() }, "RESOURCE_EXHAUSTED"],
  ["one of a stream", { path: WRITE, body: oversize(), staysOpen: true }, "RESOURCE_EXHAUSTED"],
  ["two messages where one is due", { path: SUSPEND, body: Buffer.alloc(10) }, "UNIMPLEMENTED"],
  ["no message at all", { path: SUSPEND, body: Buffer.alloc(0) }, "UNIMPLEMENTED"],
  ["a message that ends in the middle", { path: SUSPEND, body: Buffer.from([0, 0, 0]) }, "UNIMPLEMENTED"],
  ["a compressed message", { path: SUSPEND, headers: { "grpc-encoding": "gzip" } }, "UNIMPLEMENTED"],
];

describe("a gRPC call", () => {
  it.each(ENDS)("is counted and audited with the code that was seen: %s", async (_what, call, code) => {
    const device = new FakeDevice();
    device.gate = () => new Promise((resolve) => setTimeout(resolve, 150));
    await using wires = await startWires([device]);
    await using session = await openSession(wires.grpcAddress);
    expect(await rawCall(session, call)).toMatchObject({ code });
    const [, service, method] = call.path.split("/");
    await expect.poll(() => wires.calls).toMatchObject([{ service, method, code }]);
    // What was refused before it came to the gate changed nothing, and nobody knows who it was.
    const lines =
      call.headers?.["grpc-encoding"] === undefined ? [{ rpc: `${service}/${method}`, code }] : [];
    await expect.poll(() => wires.log.filter(({ audit }) => audit === true)).toMatchObject(lines);
  });

  it("is counted when it is one of health, and when there is no such method", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await using session = await openSession(wires.grpcAddress);
    await rawCall(session, { path: "/grpc.health.v1.Health/Check" });
    await rawCall(session, { path: "/torpor.v1.PowerService/Explode" });
    await expect
      .poll(() => wires.calls)
      .toMatchObject([
        { service: "grpc.health.v1.Health", method: "Check", code: "OK" },
        { service: "unknown", method: "unknown", code: "UNIMPLEMENTED" },
      ]);
  });

  it("that is cancelled says so, and with its deadline that it has passed", async () => {
    const device = new FakeDevice();
    const gate = Promise.withResolvers<void>();
    device.gate = () => gate.promise;
    await using wires = await startWires([device]);
    for (const [timeout, code] of [
      ["60S", "CANCELLED"],
      ["5m", "DEADLINE_EXCEEDED"],
    ] as const) {
      await using session = await openSession(wires.grpcAddress);
      wires.calls.length = 0;
      const ended = rawCall(session, {
        path: SUSPEND,
        headers: { "grpc-timeout": timeout },
        staysOpen: true,
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      session.destroy();
      await ended;
      await expect.poll(() => wires.calls).toMatchObject([{ method: "Suspend", code }]);
    }
    gate.resolve();
  });

  it(
    "of health that never becomes whole is ended, and counted",
    async () => {
      await using wires = await startWires([new FakeDevice()]);
      await using session = await openSession(wires.grpcAddress);
      const body = Buffer.from([0, 0, 0, 1, 0, 1, 2, 3]);
      const call = { path: "/grpc.health.v1.Health/Watch", body, staysOpen: true };
      expect(await rawCall(session, call)).toMatchObject({ code: "DEADLINE_EXCEEDED" });
      await expect.poll(() => wires.calls).toMatchObject([{ method: "Watch", code: "DEADLINE_EXCEEDED" }]);
    },
    3 * OPEN_ARRIVAL_MS,
  );
});

describe("a request over REST", () => {
  const RESUME = "POST /v1/devices/card0:resume HTTP/1.1";
  const rest = "Content-Length: 2\r\nConnection: close\r\n\r\n{}";

  it.each([
    ["a Host that is not ours", "Host: evil.example", 421],
    ["an Origin that is not ours", "Host: localhost\r\nOrigin: http://evil.example", 403],
    ["a page of another site", "Host: localhost\r\nSec-Fetch-Site: cross-site", 403],
    ["two Hosts", "Host: localhost\r\nHost: evil.example", 400],
    ["two Authorizations", "Host: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b", 400],
  ])("that would change something has its line when it is refused for %s", async (_what, headers, status) => {
    await using wires = await startWires([new FakeDevice()]);
    const answer = await sendRaw(wires.baseUrl, `${RESUME}\r\n${headers}\r\n${rest}`);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    const code = status === 400 ? "INVALID_ARGUMENT" : "PERMISSION_DENIED";
    await expect
      .poll(() => wires.log.filter(({ audit }) => audit === true))
      .toMatchObject([{ rpc: "torpor.v1.PowerService/Resume", code, peer: "127.0.0.1" }]);
    await expect.poll(() => wires.requests).toMatchObject([{ status, method: "POST" }]);
  });

  it("is counted when its client goes away, and when it cannot be read", async () => {
    const device = new FakeDevice();
    const gate = Promise.withResolvers<void>();
    device.gate = ({ type }) => (type === "resume" ? gate.promise : undefined);
    await using wires = await startWires([device]);
    const { hostname, port } = new URL(wires.baseUrl);
    const socket = connect(Number(port), hostname);
    socket.write(`${RESUME}\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`);
    await expect.poll(() => device.commands.map(({ type }) => type)).toContain("resume");
    const closed = once(socket, "close");
    socket.destroy();
    await closed;
    await expect
      .poll(() => wires.requests)
      .toMatchObject([{ route: expect.stringContaining(":resume"), status: 499 }]);
    gate.resolve();
    await expect
      .poll(() => wires.log.filter(({ audit }) => audit === true))
      .toMatchObject([{ rpc: "torpor.v1.PowerService/Resume", code: "CANCELLED", done: "OK" }]);
    wires.requests.length = 0;
    await sendRaw(wires.baseUrl, "no HTTP at all\r\n\r\n");
    expect(wires.requests).toMatchObject([{ route: "unknown", status: 400 }]);
  });
});
