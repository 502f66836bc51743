import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { versionOfPackage } from "../../../scripts/version.ts";
import { DeviceServiceClient } from "../../../src/contract/gen/torpor/v1/device.ts";
import type { ListenAddress } from "../../../src/server/config/listen.ts";
import { startDaemon } from "../../../src/server/daemon/daemon.ts";
import { askHealth } from "../../../src/server/daemon/healthcheck.ts";
import { startTestDaemon, testConfig } from "../../support/daemon.ts";
import { parseMetrics } from "../../support/metrics-text.ts";

async function scrape(url: string) {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  return parseMetrics(await response.text());
}

async function post(url: string, body: unknown = {}): Promise<Record<string, unknown>> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  const answer: unknown = await response.json();
  expect(response.status, JSON.stringify(answer)).toBeLessThan(300);
  return Object(answer);
}

/** A connection that has sent the head of an upload and half of its body. */
function halfUpload(url: string) {
  let settle: (status: number | undefined) => void = () => {};
  const status = new Promise<number | undefined>((resolve) => {
    settle = resolve;
  });
  const upload = request(`${url}/v1/devices/card0/objects/1/content`, {
    method: "PUT",
    headers: { "content-length": "8192" },
  });
  upload.on("response", (response) => {
    response.resume();
    settle(response.statusCode);
  });
  upload.on("error", () => settle(undefined));
  upload.write(new Uint8Array(4096));
  return { upload, status };
}

function unixAddress(directory: string, name: string): ListenAddress {
  return { kind: "unix", path: join(directory, name) };
}

describe("a daemon", () => {
  it("is ready when it listens, and not once it has stopped", async () => {
    await using test = await startTestDaemon();
    expect(await askHealth(test.daemon.addresses.http)).toEqual({ ready: true });
    expect(await test.daemon.stop()).toMatchObject({ drained: true });
    expect(await askHealth(test.daemon.addresses.http)).toMatchObject({ ready: false });
  });

  it("hosts as many devices as it is told, each with its own series", async () => {
    await using test = await startTestDaemon({
      devices: ["card0", "gpu-1"],
      lmemSizesBytes: [64 * 2 ** 20, 32 * 2 ** 20],
    });
    const text = await scrape(test.url);
    for (const device of ["card0", "gpu-1"]) {
      expect(text.value("torpor_device_power_state", { device, state: "ACTIVE" })).toBe(1);
      expect(text.value("torpor_memory_size_bytes", { device, memory: "lmem1" })).toBe(32 * 2 ** 20);
      expect(text.value("torpor_backup_bytes_total", { device, path: "blitter" })).toBe(0);
    }
    expect(text.value("torpor_build_info", { version: versionOfPackage() })).toBe(1);
  });

  it("refuses memory that its own objects would fill, as a fault of the configuration", async () => {
    const config = testConfig({ lmemSizesBytes: [2 ** 16] });
    await expect(startDaemon(config)).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringMatching(/^Device card0 cannot be made\. .*\.$/),
    });
  });

  it.each(["http", "grpc"] as const)("refuses an open address of %s before anything starts", async (key) => {
    const open: ListenAddress = { kind: "tcp", host: "0.0.0.0", port: 0 };
    // The memory is too small as well: had a device been booted first, that would be the error.
    const config = testConfig({ [key]: open, lmemSizesBytes: [2 ** 16] });
    await expect(startDaemon(config)).rejects.toThrow(
      `Address 0.0.0.0:0 of ${key} is not a loopback address`,
    );
  });

  it("listens on an open address when it is told that this is meant", async () => {
    await using test = await startTestDaemon({
      http: { kind: "tcp", host: "0.0.0.0", port: 0 },
      insecureListen: true,
    });
    expect(await askHealth(test.daemon.addresses.http)).toEqual({ ready: true });
  });

  it.each(["http", "grpc"] as const)("says in a sentence that the address of %s is taken", async (key) => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const bound = other.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    const config = testConfig({ [key]: { kind: "tcp", host: "127.0.0.1", port } });
    await expect(startDaemon(config)).rejects.toThrow(
      new RegExp(
        `^Address 127\\.0\\.0\\.1:${port} cannot be listened on for (REST|gRPC): listen EADDRINUSE[^\\]]*\\.$`,
      ),
    );
    other.close();
  });

  it("listens on unix sockets, and takes none that is in use and no file", async () => {
    const directory = mkdtempSync(join(tmpdir(), "torpor-unix-"));
    const http = unixAddress(directory, "http.sock");
    const grpc = unixAddress(directory, "grpc.sock");
    const first = await startDaemon(testConfig({ http, grpc }));
    expect(first.addresses).toEqual({ http, grpc });
    expect(await askHealth(http)).toEqual({ ready: true });
    await expect(startDaemon(testConfig({ http }))).rejects.toThrow(
      /cannot be listened on for REST: .*EADDRINUSE/,
    );
    await first.stop();
    const file = unixAddress(directory, "file");
    if (file.kind === "unix") writeFileSync(file.path, "precious");
    await expect(startDaemon(testConfig({ http: file }))).rejects.toThrow(/cannot be listened on for REST/);
    rmSync(directory, { recursive: true });
  });
});

describe("the images of a daemon", () => {
  it("are in its data directory, in its metrics, and on its wires; what was not finished is removed", async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), "torpor-daemon-"));
    const images = join(dataDirectory, "images");
    mkdirSync(images);
    const id = "gone-20261122t182125123z-0a1b2c3d";
    writeFileSync(join(images, `${id}.partial`), "half");
    writeFileSync(join(images, `${id}.consumed`), "no image");
    const lines: Record<string, unknown>[] = [];
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    {
      await using test = await startTestDaemon({ dataDirectory }, { log });
      expect(lines).toContainEqual(
        expect.objectContaining({ partialsRemoved: 1, msg: "unfinished hibernation images were removed" }),
      );
      const response = await fetch(`${test.url}/v1/images`);
      expect(await response.json()).toMatchObject({
        images: [
          { name: `images/${id}`, device: "devices/gone", state: "CONSUMED", sizeBytes: "8", inUse: false },
        ],
      });
      const text = await scrape(test.url);
      expect(text.value("torpor_images", { store: "directory" })).toBe(1);
      expect(text.value("torpor_image_bytes", { store: "directory" })).toBe(8);
      expect(text.value("torpor_image_store_free_bytes", { store: "directory" })).toBeGreaterThan(0);
      const removed = await fetch(`${test.url}/v1/images/${id}`, { method: "DELETE" });
      expect(removed.status).toBe(200);
    }
    expect(readdirSync(images)).toEqual([]);
    rmSync(dataDirectory, { recursive: true });
  });

  it("are none without a data directory, and neither are their metrics", async () => {
    await using test = await startTestDaemon();
    const text = await scrape(test.url);
    expect(text.samples.some(({ name }) => name.startsWith("torpor_image"))).toBe(false);
    expect((await fetch(`${test.url}/v1/images/x`)).status).toBe(404);
  });
});

describe("the memory of a daemon's device", () => {
  it("has the window and the stolen memory of the configuration", async () => {
    await using test = await startTestDaemon({
      lmemSizesBytes: [64 * 2 ** 20, 2 * 2 ** 20],
      visibleBytes: 4 * 2 ** 20,
      stolenBytes: 2 ** 20,
    });
    const text = await scrape(test.url);
    expect(text.value("torpor_memory_visible_bytes", { memory: "lmem0" })).toBe(4 * 2 ** 20);
    // Smaller than the window: visible whole.
    expect(text.value("torpor_memory_visible_bytes", { memory: "lmem1" })).toBe(2 * 2 ** 20);
    const taken = text.value("torpor_memory_used_bytes", { memory: "lmem0" });
    expect(text.value("torpor_memory_visible_available_bytes", { memory: "lmem0" })).toBe(
      4 * 2 ** 20 - taken,
    );
    expect(text.value("torpor_memory_size_bytes", { memory: "stolen" })).toBe(2 ** 20);
    expect(text.value("torpor_memory_used_bytes", { memory: "stolen" })).toBe(2 ** 20);
  });

  it("is refused, and the data directory given up, when its swap has no room on the disk", async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), "torpor-daemon-"));
    const config = testConfig({ dataDirectory, swapBytes: 2 ** 53 - 2 ** 16 });
    await expect(startDaemon(config)).rejects.toThrow(
      /^Directory .* that the swap files of all devices need/,
    );
    expect(readdirSync(dataDirectory)).toEqual(["images", "torpord.lock"]);
    rmSync(dataDirectory, { recursive: true });
  });
});

describe("metrics of a daemon", () => {
  it("agree with what the transitions say", async () => {
    await using test = await startTestDaemon();
    const device = `${test.url}/v1/devices/card0`;
    const sizeBytes = 4 * 2 ** 20;
    for (const id of ["1", "2", "3"]) {
      await post(`${device}/objects`, { size: String(sizeBytes), regions: ["lmem0", "smem"] });
      await fetch(`${device}/objects/${id}/content`, {
        method: "PUT",
        body: new Uint8Array(sizeBytes).fill(7),
      });
    }
    await post(`${device}/objects/1:pin`);
    const before = await scrape(test.url);
    expect(before.value("torpor_backup_held_bytes")).toBe(0);
    const own = before.value("torpor_objects", { memory: "lmem0", pinned: "true" }) - 1;
    expect(before.value("torpor_objects", { memory: "lmem0", pinned: "false" })).toBe(2);
    const suspended = await post(`${device}:suspend`, { state: "S3" });
    const during = await scrape(test.url);
    expect(String(during.value("torpor_backup_held_bytes"))).toBe(suspended.backupBytes);
    expect(during.value("torpor_objects", { memory: "lmem0", pinned: "true" })).toBe(own + 1);
    expect(during.value("torpor_device_power_state", { state: "SUSPENDED" })).toBe(1);
    expect(during.value("torpor_device_power_target", { target: "S3" })).toBe(1);
    const resumed = await post(`${device}:resume`);
    const text = await scrape(test.url);
    expect(text.value("torpor_backup_held_bytes")).toBe(0);
    const suspend = { cause: "suspend" };
    expect(text.sum("torpor_evictions_total", suspend)).toBe(suspended.evictedObjects);
    expect(String(text.sum("torpor_eviction_bytes_total", suspend))).toBe(suspended.evictedBytes);
    expect(suspended.evictedBytes).toBe(String(2 * sizeBytes));
    expect(String(text.sum("torpor_backup_bytes_total"))).toBe(suspended.backupBytes);
    expect(text.value("torpor_backup_bytes_total", { path: "blitter" })).toBe(sizeBytes);
    expect(String(text.sum("torpor_restore_bytes_total"))).toBe(resumed.restoredBytes);
    expect(text.value("torpor_restore_bytes_total", { path: "blitter", early: "false" })).toBe(sizeBytes);
    expect(text.sum("torpor_backup_seconds_total")).toBeGreaterThan(0);
    expect(text.value("torpor_transitions_total", { kind: "suspend", target: "S3" })).toBe(1);
    expect(text.value("torpor_transitions_total", { kind: "resume", target: "S3" })).toBe(1);
    expect(text.sum("torpor_transition_failures_total")).toBe(0);
    expect(text.value("torpor_transition_duration_seconds_count", { kind: "suspend", target: "S3" })).toBe(1);
    const phases = text.samples.filter((sample) => sample.name === "torpor_phase_duration_seconds_count");
    expect(phases.every((sample) => sample.value === 1)).toBe(true);
    const names = [suspended, resumed].flatMap((transition) => Object(transition.phases).map(phaseName));
    expect(phases.map((sample) => sample.labels.phase)).toEqual(names);
    expect(text.sum("torpor_transitions_in_progress")).toBe(0);
  });

  it("are in OpenMetrics for a scraper that prefers it", async () => {
    await using test = await startTestDaemon();
    const headers = { accept: "application/openmetrics-text;version=1.0.0" };
    const response = await fetch(`${test.url}/metrics`, { headers });
    expect(response.headers.get("content-type")).toBe(
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    expect((await response.text()).endsWith("\n# EOF\n")).toBe(true);
  });

  it("count the calls over both wires", async () => {
    await using test = await startTestDaemon();
    await fetch(`${test.url}/v1/devices/card9`);
    const client = new DeviceServiceClient(test.grpc, credentials.createInsecure());
    const error = await new Promise<ServiceError | null>((resolve) => {
      client.getDevice({ name: "devices/card9" }, (failure) => resolve(failure));
    });
    expect(error?.details).toContain("card9");
    client.close();
    const text = await scrape(test.url);
    const call = {
      grpc_service: "torpor.v1.DeviceService",
      grpc_method: "GetDevice",
      grpc_code: "NOT_FOUND",
    };
    expect(text.value("grpc_server_handled_total", call)).toBe(1);
    const found = text.samples.filter((sample) => sample.name === "http_request_duration_seconds_count");
    expect(found.map((sample) => sample.labels.code)).toEqual(["404"]);
    expect(found[0]?.labels.route).not.toContain("card9");
  });
});

describe("the end of a daemon", () => {
  it("lets a running call finish", async () => {
    await using test = await startTestDaemon();
    await post(`${test.url}/v1/devices/card0/objects`, { size: "8192" });
    const { upload, status } = halfUpload(test.url);
    await pause(100);
    const stopping = test.daemon.stop();
    await pause(50);
    expect(await askHealth(test.daemon.addresses.http)).toMatchObject({ ready: false });
    const start = performance.now();
    upload.end(new Uint8Array(4096));
    expect(await status).toBe(200);
    expect(await stopping).toMatchObject({ drained: true });
    // The connection is kept alive by its client, which must not hold up the end.
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it("is not held up by a client that is connected and idle", async () => {
    await using test = await startTestDaemon();
    const client = new DeviceServiceClient(test.grpc, credentials.createInsecure());
    await new Promise((resolve) => client.getDevice({ name: "devices/card0" }, resolve));
    const start = performance.now();
    expect(await test.daemon.stop()).toMatchObject({ drained: true });
    expect(performance.now() - start).toBeLessThan(2_000);
    client.close();
  });

  it("cuts off a call that does not finish by the deadline", async () => {
    await using test = await startTestDaemon({}, { drainMs: 200 });
    await post(`${test.url}/v1/devices/card0/objects`, { size: "8192" });
    const { status } = halfUpload(test.url);
    await pause(100);
    const start = performance.now();
    expect(await test.daemon.stop()).toMatchObject({ drained: false });
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(await status).toBeUndefined();
  });

  it("lets a transition finish that nobody waits for", async () => {
    await using test = await startTestDaemon();
    const device = test.daemon.devices.get("card0");
    await device?.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect(await test.daemon.stop()).toMatchObject({ drained: true });
    const transition = await device?.execute({ type: "getTransition", transition: "1" });
    expect(transition?.state).toBe("SUCCEEDED");
  });

  it("is the same end for whoever asks for it twice", async () => {
    await using test = await startTestDaemon();
    const [first, second] = await Promise.all([test.daemon.stop(), test.daemon.stop()]);
    expect(second).toBe(first);
  });
});

function phaseName(record: unknown): unknown {
  return Object(record).phase;
}
