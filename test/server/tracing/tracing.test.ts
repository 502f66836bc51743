/** Traces: what a collector gets of calls, transitions and phases, over both wires. */
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Client, credentials, Metadata, type ServiceError, status as statusName } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { GetDeviceRequest } from "../../../src/contract/gen/torpor/v1/device.ts";
import {
  PowerServiceClient,
  ResumeRequest,
  SuspendRequest,
} from "../../../src/contract/gen/torpor/v1/power.ts";
import type { Config } from "../../../src/server/config/config.ts";
import { GRPC_MESSAGE_BYTES_MAX } from "../../../src/server/limits.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { parseMetrics } from "../../support/metrics-text.ts";
import { OtlpReceiver, type SentSpan } from "../../support/otlp-receiver.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const CALLER_ID = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE_ID}-${CALLER_ID}-01`;

const SUSPEND_PHASES = ["prepare", "evict", "idle", "evict_pinned", "memcpy", "firmware_stop", "power_off"];
const RESUME_PHASES = [
  "power_on",
  "restore_early",
  "firmware_start",
  "engine_start",
  "restore_late",
  "release",
];

const WORDS = ["--lmem", "64MiB", "--smem", "128MiB", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];

function tracedTo(endpoint: string, changes: Partial<Config["tracing"]> = {}): Partial<Config> {
  return { tracing: { endpoint, serviceName: undefined, resourceAttributes: {}, ...changes } };
}

function post(url: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: "POST", body: JSON.stringify(body), headers });
}

/** An object of 1 MiB with content in local memory. */
async function addObject({ url }: TestDaemon): Promise<void> {
  const objects = `${url}/v1/devices/card0/objects`;
  expect((await post(objects, { size: "1048576", regions: ["lmem0", "smem"] })).status).toBe(200);
  const content = new Uint8Array(1048576).fill(7);
  expect((await fetch(`${objects}/1/content`, { method: "PUT", body: content })).status).toBe(200);
}

function phaseNames(spans: readonly SentSpan[]): string[] {
  return spans.map(({ name }) => name);
}

/** Every child lies within its parent. */
function expectNested(parent: SentSpan, children: readonly SentSpan[]): void {
  for (const { name, startNs, endNs } of children) {
    expect([name, startNs >= parent.startNs, endNs >= startNs, endNs <= parent.endNs]).toEqual([
      name,
      true,
      true,
      true,
    ]);
  }
}

describe("a daemon with a collector", () => {
  it("shows a suspend and a resume over REST as parts of the caller's trace, down to each phase", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon(tracedTo(`${receiver.endpoint}/`));
    await addObject(test);
    const device = `${test.url}/v1/devices/card0`;
    const headers = { traceparent: TRACEPARENT, tracestate: "vendor=1", "x-request-id": "trace-me" };
    expect((await post(`${device}:suspend`, { state: "S3" }, headers)).status).toBe(200);
    expect((await post(`${device}:resume`, {}, headers)).status).toBe(200);

    const call = await receiver.only("POST /v1/devices/{device}:suspend");
    expect(call).toMatchObject({
      traceId: TRACE_ID,
      parentSpanId: CALLER_ID,
      traceState: "vendor=1",
      kind: 2,
    });
    expect(call.status.code).toBe(0);
    const [address, port] = new URL(test.url).host.split(":");
    expect(call.attributes).toEqual({
      "http.request.method": "POST",
      "http.route": "/v1/devices/{device}:suspend",
      "http.response.status_code": 200,
      "url.path": "/v1/devices/card0:suspend",
      "url.scheme": "http",
      "server.address": address,
      "server.port": Number(port),
      "client.address": "127.0.0.1",
      "torpor.request.id": "trace-me",
    });
    const suspend = await receiver.only("suspend S3");
    expect(suspend).toMatchObject({ traceId: TRACE_ID, parentSpanId: call.spanId, kind: 1 });
    expect(suspend.attributes).toMatchObject({
      "torpor.device": "card0",
      "torpor.transition": "devices/card0/transitions/1",
      "torpor.transition.kind": "suspend",
      "torpor.transition.target": "S3",
      "torpor.transition.state": "SUCCEEDED",
      "torpor.evicted_bytes": 1048576,
    });
    const phases = receiver.childrenOf(suspend);
    expect(phaseNames(phases)).toEqual(SUSPEND_PHASES);
    expectNested(suspend, phases);
    expect(phases[1].attributes).toMatchObject({
      "torpor.device": "card0",
      "torpor.transition": "devices/card0/transitions/1",
      "torpor.phase": "evict",
      "torpor.phase.objects": 1,
      "torpor.phase.bytes": 1048576,
      "torpor.phase.blitter_bytes": 1048576,
      "torpor.phase.memcpy_bytes": 0,
    });
    const resume = await receiver.only("resume S3");
    const resumeCall = await receiver.only("POST /v1/devices/{device}:resume");
    expect(resume).toMatchObject({ traceId: TRACE_ID, parentSpanId: resumeCall.spanId });
    expect(phaseNames(receiver.childrenOf(resume))).toEqual(RESUME_PHASES);
    expect(new Set(receiver.paths)).toEqual(new Set(["/v1/traces"]));
  });

  it("shows the same over gRPC", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon(
      tracedTo(receiver.endpoint, { serviceName: "gpu-7", resourceAttributes: { "host.name": "lab" } }),
    );
    const client = new PowerServiceClient(test.grpc, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("traceparent", TRACEPARENT);
    const call = (method: "suspend" | "resume") =>
      new Promise<void>((resolve, reject) => {
        const done = (error: ServiceError | null) => (error === null ? resolve() : reject(error));
        const name = "devices/card0";
        if (method === "suspend") client.suspend(SuspendRequest.fromPartial({ name }), metadata, done);
        else client.resume(ResumeRequest.fromPartial({ name }), metadata, done);
      });
    await call("suspend");
    await call("resume");
    client.close();

    const span = await receiver.only("torpor.v1.PowerService/Suspend");
    expect(span).toMatchObject({ traceId: TRACE_ID, parentSpanId: CALLER_ID, kind: 2 });
    expect(span.status.code).toBe(0);
    const [address, port] = test.grpc.split(":");
    expect(span.attributes).toMatchObject({
      "rpc.system.name": "grpc",
      "rpc.method": "torpor.v1.PowerService/Suspend",
      "rpc.status_code": "OK",
      "server.address": address,
      "server.port": Number(port),
      "client.address": "127.0.0.1",
    });
    expect(span.resource).toMatchObject({ "service.name": "gpu-7", "host.name": "lab" });
    const suspend = await receiver.only("suspend S3");
    expect(suspend.parentSpanId).toBe(span.spanId);
    expect(phaseNames(receiver.childrenOf(suspend))).toEqual(SUSPEND_PHASES);
    const resume = await receiver.only("resume S3");
    const resumeCall = await receiver.only("torpor.v1.PowerService/Resume");
    expect(resume).toMatchObject({ traceId: TRACE_ID, parentSpanId: resumeCall.spanId });
    expect(phaseNames(receiver.childrenOf(resume))).toEqual(RESUME_PHASES);
  });

  it("says at the transition, its phase and its call why a suspend failed", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon({ ...tracedTo(receiver.endpoint), enableFaults: true });
    await addObject(test);
    const failpoint = { name: "failpoints/evict.object", action: "ERROR", reason: "COPY_FAILED" };
    const armed = await fetch(`${test.url}/v1/failpoints/evict.object`, {
      method: "PUT",
      body: JSON.stringify(failpoint),
    });
    expect(armed.status, await armed.text()).toBe(200);
    expect((await post(`${test.url}/v1/devices/card0:suspend`, { state: "S3" })).status).toBe(500);

    const suspend = await receiver.only("suspend S3");
    expect(suspend.status.code).toBe(2);
    expect(suspend.status.message).not.toBe("");
    expect(suspend.attributes).toMatchObject({
      "error.type": "COPY_FAILED",
      "torpor.error.reason": "COPY_FAILED",
      "torpor.transition.state": "FAILED",
      "torpor.recovered": true,
    });
    const phases = receiver.childrenOf(suspend);
    expect(phases.map(({ name, status }) => [name, status.code])).toEqual([
      ["prepare", 0],
      ["evict", 2],
      ["recover", 0],
    ]);
    expect(phases[1].attributes).toMatchObject({ "torpor.error.reason": "COPY_FAILED" });
    const call = await receiver.only("POST /v1/devices/{device}:suspend");
    expect(call.status).toEqual({ code: 2, message: suspend.status.message });
    expect(call.attributes).toMatchObject({
      "http.response.status_code": 500,
      "error.type": "COPY_FAILED",
      "torpor.error.reason": "COPY_FAILED",
    });
  });

  it("says of a gRPC call that fails what its client is told, also by the library and when it goes away", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon(tracedTo(receiver.endpoint));
    const client = new Client(test.grpc, credentials.createInsecure());
    const keep = (bytes: Buffer) => bytes;
    const call = (path: string, request: Buffer) =>
      new Promise<string>((resolve) => {
        client.makeUnaryRequest(`/torpor.v1.${path}`, keep, keep, request, (error) =>
          resolve(statusName[error?.code ?? statusName.OK] ?? ""),
        );
      });
    const unknown = Buffer.from(GetDeviceRequest.encode({ name: "devices/card9" }).finish());
    expect(await call("DeviceService/GetDevice", unknown)).toBe("NOT_FOUND");
    const tooLarge = Buffer.alloc(GRPC_MESSAGE_BYTES_MAX + 1);
    expect(await call("PowerService/Suspend", tooLarge)).toBe("RESOURCE_EXHAUSTED");
    const watch = "/torpor.v1.DeviceService/WatchEvents";
    const events = client.makeServerStreamRequest(watch, keep, keep, Buffer.alloc(0));
    await once(events, "data");
    const cancelled = once(events, "error");
    events.cancel();
    await cancelled;
    client.close();
    const told = async (rpc: string) => {
      const { status, attributes } = await receiver.only(`torpor.v1.${rpc}`);
      return [status.code, attributes["rpc.status_code"], attributes["error.type"]];
    };
    expect(await told("DeviceService/GetDevice")).toEqual([0, "NOT_FOUND", "DEVICE_NOT_FOUND"]);
    expect(await told("PowerService/Suspend")).toEqual([0, "RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED"]);
    expect(await told("DeviceService/WatchEvents")).toEqual([0, "CANCELLED", "CALL_CANCELLED"]);
  });

  it("gives what a caller can expect its reason, and calls only what is the daemon's fault an error", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon(tracedTo(receiver.endpoint));
    expect((await fetch(`${test.url}/v1/devices/card9`)).status).toBe(404);
    expect((await fetch(`${test.url}/v1/nonsense`)).status).toBe(404);
    expect((await post(`${test.url}/v1/devices/card0:suspend`, { nonsense: 1 })).status).toBe(400);
    const unknown = await receiver.only("GET /v1/devices/{device}");
    expect(unknown.status.code).toBe(0);
    expect(unknown.attributes).toMatchObject({
      "http.response.status_code": 404,
      "error.type": "DEVICE_NOT_FOUND",
    });
    expect((await receiver.only("GET")).attributes).toMatchObject({ "error.type": "ROUTE_NOT_FOUND" });
    const invalid = await receiver.only("POST /v1/devices/{device}:suspend");
    expect(invalid.attributes).toMatchObject({ "error.type": "INVALID_REQUEST" });
  });

  it("makes a transition that outlives its call a part of it", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon(tracedTo(receiver.endpoint));
    const answer = await post(`${test.url}/v1/devices/card0:suspend`, { state: "S3", wait: "0s" });
    expect(answer.status).toBe(202);
    const call = await receiver.only("POST /v1/devices/{device}:suspend");
    const suspend = await receiver.only("suspend S3");
    expect(suspend).toMatchObject({ traceId: call.traceId, parentSpanId: call.spanId });
    expect(call.parentSpanId).toBe("");
  });

  it("begins a trace of its own for a device that suspends itself, and wakes it in the name of who needed it", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon(tracedTo(receiver.endpoint));
    const settings = await fetch(`${test.url}/v1/devices/card0/runtimePm`, {
      method: "PATCH",
      body: JSON.stringify({ enabled: true, autosuspendDelay: "0.05s" }),
    });
    expect(settings.status).toBe(200);
    const asleep = await receiver.only("runtime_suspend D3COLD");
    expect(asleep.parentSpanId).toBe("");
    expect((await post(`${test.url}/v1/devices/card0/objects`, { size: "65536" })).status).toBe(200);
    const awake = await receiver.only("runtime_resume D0");
    const call = await receiver.only("POST /v1/devices/{device}/objects");
    expect(awake).toMatchObject({ traceId: call.traceId, parentSpanId: call.spanId });
  });

  it("does not trace what the caller's trace leaves out, nor scrapes and health", async () => {
    await using receiver = await OtlpReceiver.listen();
    await using test = await startTestDaemon(tracedTo(receiver.endpoint));
    const headers = { traceparent: `00-${TRACE_ID}-${CALLER_ID}-00` };
    await post(`${test.url}/v1/devices/card0:suspend`, { state: "S3" }, headers);
    await fetch(`${test.url}/metrics`);
    await fetch(`${test.url}/readyz`);
    await fetch(`${test.url}/v1/devices`);
    await receiver.only("GET /v1/devices");
    expect(phaseNames(receiver.spans)).toEqual(["GET /v1/devices"]);
  });

  it("sends at its end what it has not sent", async () => {
    await using receiver = await OtlpReceiver.listen();
    const test = await startTestDaemon(tracedTo(receiver.endpoint));
    await fetch(`${test.url}/v1/devices`);
    await test.daemon.stop();
    expect(phaseNames(receiver.spans)).toEqual(["GET /v1/devices"]);
  });

  it("loses nothing but traces when the collector refuses them, and says so once and when it is over", async () => {
    await using receiver = await OtlpReceiver.listen();
    receiver.status = 400;
    const lines: { level: number; msg: string; lost?: number }[] = [];
    const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    await using test = await startTestDaemon(tracedTo(receiver.endpoint), { log });
    const told = (text: string) => lines.filter(({ msg }) => msg.startsWith(text));
    for (let sent = 1; sent <= 2; sent++) {
      expect((await fetch(`${test.url}/v1/devices`)).status).toBe(200);
      while (receiver.paths.length < sent) await pause(20);
    }
    receiver.status = 200;
    await fetch(`${test.url}/v1/devices/card0`);
    await receiver.only("GET /v1/devices/{device}");
    while (told("traces reach the collector again").length === 0) await pause(20);
    expect(told("traces do not reach the collector")).toHaveLength(1);
    expect(told("traces reach the collector again")).toMatchObject([{ lost: 2 }]);
    const metrics = parseMetrics(await (await fetch(`${test.url}/metrics`)).text());
    expect(metrics.value("torpor_trace_spans_lost_total")).toBe(2);
    expect(metrics.value("torpor_trace_spans_sent_total")).toBe(1);
  });

  it("works and stops in time when nobody listens at the endpoint", async () => {
    const receiver = await OtlpReceiver.listen();
    const { endpoint } = receiver;
    await receiver[Symbol.asyncDispose]();
    await using daemon = new DaemonProcess(WORDS, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    const { http } = await daemon.ready();
    expect((await post(`http://${http}/v1/devices/card0:suspend`, { state: "S3" })).status).toBe(200);
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    expect(daemon.stderr).toBe("");
  });

  it("works and stops in time when the collector takes spans and never answers", async () => {
    await using receiver = await OtlpReceiver.listen();
    receiver.status = undefined;
    await using daemon = new DaemonProcess([...WORDS, "--otlp-endpoint", receiver.endpoint]);
    const { http } = await daemon.ready();
    for (let round = 1; round <= 3; round++) {
      expect((await post(`http://${http}/v1/devices/card0:suspend`, { state: "S3" })).status).toBe(200);
      expect((await post(`http://${http}/v1/devices/card0:resume`)).status).toBe(200);
    }
    while (receiver.paths.length === 0) await pause(20);
    daemon.kill("SIGTERM");
    await daemon.line("the last traces were not sent by the deadline");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
  });
});

describe("a daemon without a collector", () => {
  const BAN = ["--import", new URL("../../support/banned-imports.ts", import.meta.url).href];

  it("loads nothing of the tracing SDK, nor has its metrics", async () => {
    await using daemon = new DaemonProcess(WORDS, { NODE_OPTIONS: BAN.join(" ") });
    const { http } = await daemon.ready();
    expect((await post(`http://${http}/v1/devices/card0:suspend`, { state: "S3" })).status).toBe(200);
    expect((await post(`http://${http}/v1/devices/card0:resume`)).status).toBe(200);
    expect(await (await fetch(`http://${http}/metrics`)).text()).not.toContain("torpor_trace_");
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
  });

  it("would fail this very test if it loaded it", async () => {
    const environment = { NODE_OPTIONS: BAN.join(" "), TORPOR_OTLP_ENDPOINT: "http://127.0.0.1:1" };
    await using daemon = new DaemonProcess(WORDS, environment);
    expect(await daemon.exit()).toMatchObject({ code: 1 });
    expect(daemon.stdout).toContain("must not be loaded");
  });
});
