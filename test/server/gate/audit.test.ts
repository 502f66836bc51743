/** The audit log and the ids of requests, on both wires. */
import { createHash } from "node:crypto";
import { credentials, Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { ResumeRequest } from "../../../src/contract/gen/torpor/v1/power.ts";
import { DeviceError } from "../../../src/device/errors.ts";
import { Authenticator } from "../../../src/server/auth/authenticator.ts";
import { AUDIT_REFUSALS_AT_ONCE, AUDIT_REFUSALS_OF_CALLER_PER_SECOND } from "../../../src/server/limits.ts";
import { callAny } from "../../support/any-call.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { sendRaw } from "../../support/raw-http.ts";
import { startWires, type Wires } from "../../support/wires.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

function authenticator() {
  const roles = ["viewer", "operator"] as const;
  const tokens = roles.map((role) => ({
    name: `the ${role}`,
    role,
    digest: createHash("sha256").update(role).digest(),
    expiresMs: undefined,
  }));
  return new Authenticator({ table: () => ({ tokens, clients: undefined }) });
}

/** The audit lines once there are `count` of them. They come when a call has ended on both sides. */
async function lines(wires: Wires, count: number): Promise<Record<string, unknown>[]> {
  for (let turn = 0; turn < 1_000; turn++) {
    const found = wires.log.filter(({ audit }) => audit === true);
    if (found.length >= count) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return wires.log.filter(({ audit }) => audit === true);
}

function post(wires: Wires, path: string, role: string, body = "{}", headers: Record<string, string> = {}) {
  const all = { authorization: `Bearer ${role}`, ...headers };
  return fetch(`${wires.baseUrl}${path}`, { method: "POST", headers: all, body });
}

describe("the audit log", () => {
  it("has a line for each call over REST that changes something, and none for reads", async () => {
    await using wires = await startWires([new FakeDevice()], { gate: { authenticator: authenticator() } });
    const suspend = await post(wires, "/v1/devices/card0:suspend", "operator", "{}", {
      "x-request-id": "r-1",
    });
    expect(suspend.status).toBe(200);
    const { name: transition } = Object(await suspend.json());
    const headers = { authorization: "Bearer viewer" };
    await fetch(`${wires.baseUrl}/v1/devices/card0`, { headers });
    await post(wires, "/v1/devices/card0/objects/77:pin", "operator");
    const upload = { method: "PUT", body: "x", headers: { authorization: "Bearer operator" } };
    await fetch(`${wires.baseUrl}/v1/devices/card0/objects/77/content`, upload);
    const found = await lines(wires, 3);
    const caller = { caller: "the operator", role: "operator", authenticatedBy: "token", peer: "127.0.0.1" };
    expect(found).toMatchObject([
      {
        ...caller,
        rpc: "torpor.v1.PowerService/Suspend",
        resource: "devices/card0",
        transition,
        code: "OK",
        requestId: "r-1",
        durationMs: expect.any(Number),
        msg: "call",
      },
      {
        ...caller,
        rpc: "torpor.v1.MemoryService/PinObject",
        resource: "devices/card0/objects/77",
        code: "NOT_FOUND",
      },
      {
        ...caller,
        rpc: "torpor.v1.MemoryService/WriteObject",
        resource: "devices/card0/objects/77",
        code: "NOT_FOUND",
      },
    ]);
    expect(found.map(({ reason }) => reason)).toEqual([undefined, "OBJECT_NOT_FOUND", "OBJECT_NOT_FOUND"]);
    expect(found[1]?.requestId).toMatch(UUID);
  });

  it("names the resource of an update, which is in the message", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const name = "devices/card0/runtimePm";
    await wires.overRest("UpdateRuntimePm", { runtimePm: { name, enabled: true } }).catch(() => undefined);
    await wires.overGrpc("UpdateRuntimePm", { runtimePm: { name, enabled: true } }).catch(() => undefined);
    const rpc = "torpor.v1.PowerService/UpdateRuntimePm";
    expect(await lines(wires, 2)).toMatchObject([
      { rpc, resource: name },
      { rpc, resource: name },
    ]);
  });

  it("has the same over gRPC, and names the transition that failed", async () => {
    const device = new FakeDevice();
    const failure = new DeviceError("IDLE_TIMEOUT", "The engines were busy.", { transition: "5" });
    device.failures.set("suspend", failure);
    await using wires = await startWires([device]);
    await wires.overGrpc("Suspend", { name: "devices/card0" }).catch(() => undefined);
    await wires.overGrpc("GetDevice", { name: "devices/card0" });
    await callAny(
      { address: wires.grpcAddress, credentials: credentials.createInsecure() },
      "torpor.v1.MemoryService/WriteObject",
    );
    expect(await lines(wires, 2)).toMatchObject([
      {
        rpc: "torpor.v1.PowerService/Suspend",
        resource: "devices/card0",
        transition: "devices/card0/transitions/5",
        code: "DEADLINE_EXCEEDED",
        reason: "IDLE_TIMEOUT",
        caller: "127.0.0.1",
        role: "admin",
        authenticatedBy: "address",
      },
      { rpc: "torpor.v1.MemoryService/WriteObject", code: "INVALID_ARGUMENT" },
    ]);
  });

  it("has what was refused, of strangers only so much", async () => {
    let nowMs = 0;
    const gate = { authenticator: authenticator(), now: () => nowMs };
    await using wires = await startWires([new FakeDevice()], { gate });
    await post(wires, "/v1/devices/card0:resume", "viewer");
    for (let call = 0; call < AUDIT_REFUSALS_AT_ONCE + 3; call++) {
      await post(wires, "/v1/devices/card0:resume", "nobody");
    }
    nowMs += 1_000;
    await post(wires, "/v1/devices/card0:resume", "nobody");
    const found = await lines(wires, AUDIT_REFUSALS_AT_ONCE + 2);
    expect(found).toHaveLength(AUDIT_REFUSALS_AT_ONCE + 2);
    expect(found[0]).toMatchObject({ code: "PERMISSION_DENIED", caller: "the viewer", role: "viewer" });
    expect(found[1]).toMatchObject({ code: "UNAUTHENTICATED", reason: "UNAUTHENTICATED", peer: "127.0.0.1" });
    expect(found[1]).not.toHaveProperty("caller");
    expect(found.at(-1)).toMatchObject({ refusalsNotShown: 3 });
    expect(JSON.stringify(wires.log)).not.toContain("Bearer");
  });

  it("has what a known caller may not, ten a second", async () => {
    let nowMs = 0;
    const gate = { authenticator: authenticator(), now: () => nowMs };
    await using wires = await startWires([new FakeDevice()], { gate });
    const shown = AUDIT_REFUSALS_OF_CALLER_PER_SECOND;
    for (let call = 0; call < shown + 5; call++) await post(wires, "/v1/devices/card0:resume", "viewer");
    expect(await lines(wires, shown)).toHaveLength(shown);
    nowMs += 1_000;
    await post(wires, "/v1/devices/card0:resume", "viewer");
    const found = await lines(wires, shown + 1);
    expect(found.at(-1)).toMatchObject({ code: "PERMISSION_DENIED", refusalsNotShown: 5 });
  });

  it("has a line for a call whose client went away, with what it saw and what was done", async () => {
    const device = new FakeDevice();
    const gate = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    device.gate = ({ type }) => {
      if (type !== "resume") return undefined;
      arrived.resolve();
      return gate.promise;
    };
    await using wires = await startWires([device]);
    const call = wires.power.resume(ResumeRequest.create({ name: "devices/card0" }), () => undefined);
    await arrived.promise;
    call.cancel();
    // Counted as soon as it has gone, while its work goes on.
    await expect.poll(() => wires.calls).toMatchObject([{ method: "Resume", code: "CANCELLED" }]);
    gate.resolve();
    const line = { rpc: "torpor.v1.PowerService/Resume", code: "CANCELLED", done: "OK" };
    expect(await lines(wires, 1)).toMatchObject([line]);
  });
});

describe("the id of a request", () => {
  it.each([
    ["abc-1.2_3:/+=", true],
    ["x".repeat(128), true],
    ["x".repeat(129), false],
    ["a b", false],
    ["a, b", false],
    ["", false],
  ])("%j is taken: %s", async (sent, isTaken) => {
    await using wires = await startWires([new FakeDevice()]);
    const answer = await sendRaw(
      wires.baseUrl,
      `GET /v1/devices/no HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: ${sent}\r\nConnection: close\r\n\r\n`,
    );
    const returned = /^x-request-id: (.*)\r$/im.exec(answer)?.[1] ?? "";
    if (isTaken) expect(returned).toBe(sent);
    else expect(returned).toMatch(UUID);
    expect(wires.log).toContainEqual(
      expect.objectContaining({ requestId: returned, reason: "DEVICE_NOT_FOUND" }),
    );
  });

  it("comes back in the trailers of gRPC, of answers and of errors", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const target = { address: wires.grpcAddress, credentials: credentials.createInsecure() };
    const metadata = new Metadata();
    metadata.set("x-request-id", "mine");
    const trailers = await new Promise<Metadata>((resolve, reject) => {
      wires.devices
        .listDevices({ pageSize: 0, pageToken: "" }, metadata, (error) => error !== null && reject(error))
        .on("status", (status) => resolve(status.metadata));
    });
    expect(trailers.get("x-request-id")).toEqual(["mine"]);
    const failed = await callAny(target, "torpor.v1.DeviceService/GetDevice", { "x-request-id": "other" });
    expect(failed.metadata.get("x-request-id")).toEqual(["other"]);
    expect(wires.log).toContainEqual(expect.objectContaining({ requestId: "other" }));
    const made = await callAny(target, "torpor.v1.DeviceService/GetDevice", { "x-request-id": "a b" });
    expect(made.metadata.get("x-request-id")[0]).toMatch(UUID);
  });

  it("is in every answer, those of pages and of refusals too", async () => {
    await using wires = await startWires([new FakeDevice()], { gate: { authenticator: authenticator() } });
    const unreadable = ["/v1/devices/%zz", `/v1/devices/${"x".repeat(300)}`];
    for (const path of ["/livez", "/nothing", "/v1/devices", "/docs/", ...unreadable]) {
      const response = await fetch(`${wires.baseUrl}${path}`);
      expect(response.headers.get("x-request-id"), path).toMatch(UUID);
    }
  });
});
