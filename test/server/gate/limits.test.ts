/** What the gate refuses for want of room, on both wires, under injected clocks and samplers. */
import { credentials } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { CallRate } from "../../../src/server/gate/call-rate.ts";
import { LoopProbe, watchEventLoop } from "../../../src/server/gate/loop-probe.ts";
import {
  CALL_RATE_CLIENTS_MAX,
  CALLS_RESERVED,
  LOOP_DELAY_MAX_MS,
  LOOP_SLOW_SAMPLES,
  READ_REQUEST_BYTES_MAX,
} from "../../../src/server/limits.ts";
import { callAny } from "../../support/any-call.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { failureOf, statusOf } from "../../support/grpc-errors.ts";
import { envelope, openSession, rawCall } from "../../support/grpc-frames.ts";
import { refusalOf, startWires, type Wires } from "../../support/wires.ts";

const LIST = "torpor.v1.DeviceService/ListDevices";

function overGrpc(wires: Wires, rpc: string) {
  return callAny({ address: wires.grpcAddress, credentials: credentials.createInsecure() }, rpc);
}

describe("an overloaded daemon", () => {
  it("says so on both wires, with the time to try again, and stays open to health, metrics and cancels", async () => {
    let delayMs = 0;
    const probe = new LoopProbe(() => delayMs);
    const metrics = async () => ({ contentType: "text/plain", body: "" });
    const gate = { isOverloaded: () => probe.overloaded };
    await using wires = await startWires([new FakeDevice()], { gate, metrics });
    const statusAt = async (path: string) => (await fetch(`${wires.baseUrl}${path}`)).status;
    delayMs = LOOP_DELAY_MAX_MS + 1;
    for (let sample = 0; sample < LOOP_SLOW_SAMPLES; sample++) {
      expect(await statusAt("/v1/devices")).toBe(200);
      probe.sample();
    }
    const refused = await fetch(`${wires.baseUrl}/v1/devices`);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await refused.json()).toMatchObject({
      error: {
        code: 503,
        status: "UNAVAILABLE",
        message: "The daemon is too busy for further calls.",
        details: [{ reason: "OVERLOADED" }, { retryDelay: "0.25s" }],
      },
    });
    for (const rpc of [LIST, "torpor.v1.MemoryService/ReadObject", "torpor.v1.MemoryService/WriteObject"]) {
      expect(await overGrpc(wires, rpc)).toMatchObject({ code: "UNAVAILABLE", reason: "OVERLOADED" });
    }
    for (const path of ["/livez", "/readyz", "/metrics"]) expect(await statusAt(path)).toBe(200);
    expect(await overGrpc(wires, "grpc.health.v1.Health/Check")).toMatchObject({ code: "OK" });
    for (const call of [wires.overRest, wires.overGrpc]) {
      const refusal = await refusalOf(call("CancelTransition", { name: "devices/card0/transitions/9" }));
      expect(refusal.reason).toBe("TRANSITION_NOT_FOUND");
    }
    delayMs = LOOP_DELAY_MAX_MS;
    probe.sample();
    expect(await statusAt("/v1/devices")).toBe(200);
  });

  it("carries a RetryInfo over gRPC", async () => {
    await using wires = await startWires([new FakeDevice()], { gate: { isOverloaded: () => true } });
    const call = new Promise((resolve, reject) => {
      wires.devices.listDevices({ pageSize: 0, pageToken: "" }, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
    const { details } = statusOf(await failureOf(call));
    expect(details.map(({ type }) => type)).toEqual(["ErrorInfo", "RetryInfo"]);
    expect(wires.calls).toMatchObject([{ method: "ListDevices", code: "UNAVAILABLE" }]);
  });
});

describe("the probe of the event loop", () => {
  it("takes a single slow sample for a hiccup", () => {
    const delays = [900, 0, 900, 0, 501, 501, 500, 501];
    const probe = new LoopProbe(() => delays.shift() ?? 0);
    const seen = Array.from({ length: delays.length }, () => {
      probe.sample();
      return probe.overloaded;
    });
    expect(seen).toEqual([false, false, false, false, false, true, false, false]);
  });

  it("measures a real loop and can be stopped", () => {
    const { probe, stop } = watchEventLoop();
    probe.sample();
    expect(probe.overloaded).toBe(false);
    stop();
  });
});

describe("the rate of a client", () => {
  it("is a second's worth at once, and then as many a second", () => {
    let nowMs = 5_000;
    const rate = new CallRate(2, () => nowMs);
    const take = () => rate.take("a");
    expect([take(), take(), take()]).toEqual([true, true, false]);
    nowMs += 499;
    expect(take()).toBe(false);
    nowMs += 1;
    expect([take(), take()]).toEqual([true, false]);
    expect(rate.take("b")).toBe(true);
    nowMs += 3_600_000;
    expect([take(), take(), take()]).toEqual([true, true, false]);
  });

  it("is remembered of so many clients only, the busiest last to be forgotten", () => {
    const rate = new CallRate(1, () => 0);
    expect([rate.take("first"), rate.take("busy")]).toEqual([true, true]);
    for (let client = 0; client < CALL_RATE_CLIENTS_MAX - 1; client++) {
      rate.take(`${client}`);
      if (client === CALL_RATE_CLIENTS_MAX / 2) expect(rate.take("busy")).toBe(false);
    }
    expect(rate.take("busy")).toBe(false);
    expect(rate.take("first")).toBe(true);
  });

  it("is one for both wires, and is not asked of health and metrics", async () => {
    const rate = new CallRate(2, () => 0);
    const metrics = async () => ({ contentType: "text/plain", body: "" });
    await using wires = await startWires([new FakeDevice()], { gate: { rate }, metrics });
    const statusAt = async (path: string) => (await fetch(`${wires.baseUrl}${path}`)).status;
    for (const path of ["/livez", "/metrics", "/livez", "/metrics"]) expect(await statusAt(path)).toBe(200);
    expect(await statusAt("/v1/devices")).toBe(200);
    expect(await overGrpc(wires, LIST)).toMatchObject({ code: "OK" });
    expect(await statusAt("/v1/devices")).toBe(503);
    expect(await overGrpc(wires, LIST)).toMatchObject({ code: "UNAVAILABLE", reason: "OVERLOADED" });
    const refusal = await refusalOf(wires.overRest("GetDevice", { name: "devices/card0" }));
    expect(refusal.message).toBe("Client 127.0.0.1 makes more calls a second than --call-rate allows.");
    // What ends other calls gets through: who calls too often may be somebody else at the same address.
    for (const call of [wires.overRest, wires.overGrpc]) {
      const way = await refusalOf(call("CancelTransition", { name: "devices/card0/transitions/9" }));
      expect(way.reason).toBe("TRANSITION_NOT_FOUND");
    }
  });
});

describe("a request to read", () => {
  it("is refused over both wires when it is larger than any can be, before it is whole", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const large = Buffer.alloc(READ_REQUEST_BYTES_MAX + 1, " ");
    const overRest = await fetch(`${wires.baseUrl}/v1/devices/card0:planSuspend`, {
      method: "POST",
      body: large,
    });
    expect(await overRest.json()).toMatchObject({
      error: { code: 413, message: "The body of the request is larger than 64 KiB." },
    });
    await using session = await openSession(wires.grpcAddress);
    const announced = envelope(Buffer.alloc(4_000_000));
    const half = { body: announced.subarray(0, READ_REQUEST_BYTES_MAX + 1), staysOpen: true };
    for (const path of [`/${LIST}`, "/torpor.v1.DeviceService/WatchEvents"]) {
      const end = await rawCall(session, { path, ...half });
      expect(end).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "LIMIT_EXCEEDED" });
    }
    expect(await overGrpc(wires, LIST)).toMatchObject({ code: "OK" });
  });
});

describe("calls in progress", () => {
  /** A device that holds every getDevice until it is told to go on. */
  function heldDevice() {
    const device = new FakeDevice();
    const gate = Promise.withResolvers<void>();
    let held = 0;
    device.gate = ({ type }) => {
      if (type !== "getDevice") return undefined;
      held++;
      return gate.promise;
    };
    return { device, release: () => gate.resolve(), held: () => held };
  }

  async function until(condition: () => boolean): Promise<void> {
    for (let turn = 0; !condition(); turn++) {
      if (turn > 2_000) throw new Error("it did not come so far");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  const name = "devices/card0";

  it("are counted over both wires, and the way out stays open", async () => {
    const { device, release, held } = heldDevice();
    await using wires = await startWires([device], { gate: { callsMax: 2 } });
    const running = [wires.overRest("GetDevice", { name }), wires.overGrpc("GetDevice", { name })];
    await until(() => held() === 2);
    for (const call of [wires.overRest, wires.overGrpc]) {
      const refusal = await refusalOf(call("ListRegions", { parent: name }));
      expect(refusal).toMatchObject({
        code: "UNAVAILABLE",
        reason: "OVERLOADED",
        message: "2 calls are in progress, and the daemon takes no more.",
      });
      const cancel = await refusalOf(call("CancelTransition", { name: `${name}/transitions/9` }));
      expect(cancel.reason).toBe("TRANSITION_NOT_FOUND");
    }
    // Streams have a number of their own.
    expect(await overGrpc(wires, "grpc.reflection.v1.ServerReflection/ServerReflectionInfo")).toMatchObject({
      code: "OK",
    });
    release();
    await Promise.all(running);
    await wires.overRest("ListRegions", { parent: name });
    await wires.overGrpc("ListRegions", { parent: name });
    expect(CALLS_RESERVED).toBeGreaterThan(0);
  });

  it("that are streams are counted over both wires, apart from the others", async () => {
    await using wires = await startWires([new FakeDevice()], { gate: { callsMax: 1, streamsMax: 2 } });
    const leave = new AbortController();
    const watch = await fetch(`${wires.baseUrl}/v1/events`, { signal: leave.signal });
    const upload = wires.memory.writeObject(() => {});
    upload.on("error", () => {});
    const content = "torpor.v1.MemoryService/ReadObject";
    const reflection = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let refused = await overGrpc(wires, content);
    for (let turn = 0; turn < 500 && refused.reason !== "OVERLOADED"; turn++)
      refused = await overGrpc(wires, content);
    // Who looks at the contract takes no place of content, and finds one when content has taken all.
    expect(await overGrpc(wires, reflection)).toMatchObject({ code: "OK" });
    expect(refused).toMatchObject({ code: "UNAVAILABLE", reason: "OVERLOADED" });
    const response = await fetch(`${wires.baseUrl}/v1/events`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      error: { message: "2 streams are open, and the daemon takes no more." },
    });
    await wires.overRest("GetDevice", { name });
    leave.abort();
    upload.cancel();
    await watch.text().catch(() => "left");
    for (let turn = 0; turn < 500 && refused.reason === "OVERLOADED"; turn++)
      refused = await overGrpc(wires, content);
    expect(refused.reason).not.toBe("OVERLOADED");
  });

  it("keep their place when their client goes away, until the work has ended", async () => {
    const { device, release, held } = heldDevice();
    await using wires = await startWires([device], { gate: { callsMax: 2 } });
    const leave = new AbortController();
    const left = fetch(`${wires.baseUrl}/v1/${name}`, { signal: leave.signal }).catch(() => "left");
    const gone = new Promise((resolve) => {
      const call = wires.devices.getDevice({ name }, (error) => resolve(error?.code));
      void until(() => held() === 2).then(() => call.cancel());
    });
    await until(() => held() === 2);
    leave.abort();
    expect(await left).toBe("left");
    await gone;
    expect(await refusalOf(wires.overRest("ListRegions", { parent: name }))).toMatchObject({
      reason: "OVERLOADED",
    });
    release();
    let isOpen = false;
    for (let turn = 0; turn < 500 && !isOpen; turn++) {
      isOpen = await wires.overRest("ListRegions", { parent: name }).then(
        () => true,
        () => false,
      );
    }
    expect(isOpen).toBe(true);
  });

  it("give their place back however they end", async () => {
    await using wires = await startWires([new FakeDevice()], { gate: { callsMax: 1 } });
    for (let round = 0; round < 3; round++) {
      expect(await refusalOf(wires.overRest("GetDevice", { name: "devices/no" }))).toMatchObject({
        reason: "DEVICE_NOT_FOUND",
      });
      const text = "not JSON";
      const response = await fetch(`${wires.baseUrl}/v1/${name}:suspend`, { method: "POST", body: text });
      expect(response.status).toBe(400);
      expect(await refusalOf(wires.overGrpc("GetDevice", { name: "devices/no" }))).toMatchObject({
        reason: "DEVICE_NOT_FOUND",
      });
    }
  });
});
