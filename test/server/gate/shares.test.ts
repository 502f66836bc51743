/** Shares of what is neither a call nor a stream: watchers of events, and commands that a device holds. */
import { createHash } from "node:crypto";
import { type ClientRequest, get, type IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { CreateObjectRequest } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { Authenticator } from "../../../src/server/auth/authenticator.ts";
import { CALLER_SHARE_DIVISOR, WATCHERS_MAX } from "../../../src/server/limits.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { envelope, openSession, rawCall } from "../../support/grpc-frames.ts";
import { startWires, type Wires } from "../../support/wires.ts";

const SHARE = WATCHERS_MAX / CALLER_SHARE_DIVISOR;
const CREATE = "/torpor.v1.MemoryService/CreateObject";
const WATCH = "/torpor.v1.DeviceService/WatchEvents";
/** The text of each is its name. */
const TOKENS = ["greedy", "modest"].map((name) => ({
  name,
  role: "operator" as const,
  digest: createHash("sha256").update(name).digest(),
  expiresMs: undefined,
}));

const open: ClientRequest[] = [];
afterEach(() => {
  for (const request of open.splice(0)) request.destroy();
});

function start(device = new FakeDevice()): Promise<Wires> {
  const authenticator = new Authenticator({ table: () => ({ tokens: TOKENS, clients: undefined }) });
  return startWires([device], { gate: { authenticator } });
}

function bearer(token: string) {
  return { authorization: `Bearer ${token}` };
}

/** Opens a stream of events, and answers its head. */
function watch({ baseUrl }: Wires, token: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = get(`${baseUrl}/v1/events`, { headers: bearer(token), agent: false }, resolve);
    request.on("error", reject);
    open.push(request);
  });
}

describe("a caller", () => {
  it("opens no more watchers than its share, over both wires together, and shuts nobody else out", async () => {
    await using wires = await start();
    const heads = await Promise.all(Array.from({ length: SHARE }, () => watch(wires, "greedy")));
    expect(heads.every(({ statusCode }) => statusCode === 200)).toBe(true);
    const refused = await fetch(`${wires.baseUrl}/v1/events`, { headers: bearer("greedy") });
    expect(await refused.json()).toMatchObject({
      error: {
        code: 429,
        message: `This caller has ${SHARE} watchers open, its share of ${WATCHERS_MAX}: end some of them.`,
        details: [{ reason: "LIMIT_EXCEEDED" }],
      },
    });
    await using session = await openSession(wires.grpcAddress);
    const overGrpc = await rawCall(session, { path: WATCH, headers: bearer("greedy") });
    expect(overGrpc).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "LIMIT_EXCEEDED" });
    expect((await watch(wires, "modest")).statusCode).toBe(200);
    // One that is given up is free again.
    open[0]?.destroy();
    await expect.poll(async () => (await watch(wires, "greedy")).statusCode).toBe(200);
  });

  it("hands the device who holds a command, over both wires", async () => {
    const device = new FakeDevice();
    await using wires = await start(device);
    const path = `${wires.baseUrl}/v1/devices/card0/objects`;
    const body = JSON.stringify({ size: "4096", holdDuringTransition: true });
    for (const headers of [
      bearer("modest"),
      { ...bearer("modest"), "idempotency-key": crypto.randomUUID() },
    ]) {
      expect((await fetch(path, { method: "POST", headers, body })).status).toBe(200);
      expect(device.commands.at(-1)).toMatchObject({ hold: "transition", caller: "token modest" });
    }
    const content = `${path}/1/content?holdDuringTransition=true`;
    await (await fetch(content, { method: "PUT", headers: bearer("greedy"), body: "bytes" })).text();
    expect(device.commands.at(-1)).toMatchObject({ hold: "until-active", caller: "token greedy" });
    const request = { parent: "devices/card0", size: 4096n };
    const message = CreateObjectRequest.encode(CreateObjectRequest.fromPartial(request)).finish();
    await using session = await openSession(wires.grpcAddress);
    const call = { path: CREATE, headers: bearer("modest"), body: envelope(message) };
    expect(await rawCall(session, call)).toMatchObject({ code: "OK" });
    expect(device.commands.at(-1)).toMatchObject({ type: "createObject", caller: "token modest" });
  });
});
