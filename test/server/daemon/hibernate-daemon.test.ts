/** Daemons whose devices come back: hibernated at the end, resumed at the next start, with real devices and files. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Config } from "../../../src/server/config/config.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { hashOf, patternOf } from "../../support/test-device.ts";

let dataDirectory: string;
let lines: Record<string, unknown>[];
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), "torpor-hibernate-"));
  lines = [];
});
afterEach(() => rmSync(dataDirectory, { recursive: true }));

const PATTERN = patternOf(7, 2 ** 20);

function start(changes: Partial<Config> = {}): Promise<TestDaemon> {
  return startTestDaemon({ dataDirectory, onShutdown: "hibernate", ...changes }, { log });
}

async function send(
  test: TestDaemon,
  method: string,
  path: string,
  body?: NonNullable<RequestInit["body"]>,
): Promise<Response> {
  const init = body === undefined ? { method } : { method, body };
  return fetch(`${test.url}/v1/${path}`, init);
}

/** An object with the pattern, pinned. */
async function fill(test: TestDaemon): Promise<void> {
  const created = await send(test, "POST", "devices/card0/objects", '{"size":"1048576"}');
  expect(created.status).toBe(200);
  expect((await send(test, "PUT", "devices/card0/objects/1/content", Buffer.from(PATTERN))).status).toBe(200);
  expect((await send(test, "POST", "devices/card0/objects/1:pin")).status).toBe(200);
}

async function contentHash(test: TestDaemon): Promise<string> {
  const response = await send(test, "GET", "devices/card0/objects/1/content");
  expect(response.status).toBe(200);
  return hashOf(new Uint8Array(await response.arrayBuffer()));
}

async function device(test: TestDaemon): Promise<unknown> {
  return (await send(test, "GET", "devices/card0")).json();
}

function endings(): string[] {
  return readdirSync(join(dataDirectory, "images")).map((name) => name.replace(/^.*\./, ""));
}

describe("a daemon that hibernates", () => {
  it("brings back every byte of a device that was ACTIVE", async () => {
    const first = await start();
    await fill(first);
    expect(await first.daemon.stop()).toMatchObject({ drained: true, hibernated: true });
    expect(endings()).toEqual(["image"]);
    await using second = await start({ onShutdown: "none" });
    expect(await device(second)).toMatchObject({ powerState: "ACTIVE", image: "" });
    expect(await contentHash(second)).toBe(hashOf(PATTERN));
    expect(endings()).toEqual(["consumed"]);
  });

  it.each([
    ["in S3", '{"state":"S3"}'],
    ["in S2idle", '{"state":"S2IDLE"}'],
    ["in hybrid S3", '{"state":"S3","hybrid":true}'],
    ["in S4", '{"state":"S4"}'],
  ])("keeps asleep what a client had put to sleep, %s, with every byte", async (_title, suspend) => {
    const first = await start();
    await fill(first);
    expect((await send(first, "POST", "devices/card0:suspend", suspend)).status).toBe(200);
    expect(await first.daemon.stop()).toMatchObject({ drained: true, hibernated: true });
    expect(endings()).toEqual(["image"]);
    await using second = await start({ onShutdown: "none" });
    expect(await device(second)).toMatchObject({ powerState: "SUSPENDED", sleepState: "S4" });
    expect((await fetch(`${second.url}/readyz`)).status).toBe(200);
    expect((await send(second, "POST", "devices/card0:resume")).status).toBe(200);
    expect(await device(second)).toMatchObject({ powerState: "ACTIVE", image: "" });
    expect(await contentHash(second)).toBe(hashOf(PATTERN));
    expect(endings()).toEqual(["consumed"]);
  });

  it("compresses its images when it is told to", async () => {
    const first = await start({ imageCodec: "zstd" });
    await fill(first);
    await first.daemon.stop();
    await using second = await start({ imageCodec: "zstd", onShutdown: "none" });
    expect(await contentHash(second)).toBe(hashOf(PATTERN));
  });

  it("leaves its images alone when they are never to be restored", async () => {
    const first = await start();
    await fill(first);
    await first.daemon.stop();
    await using second = await start({ restore: "never", onShutdown: "none" });
    expect(await device(second)).toMatchObject({ powerState: "ACTIVE" });
    expect((await send(second, "GET", "devices/card0/objects/1")).status).toBe(404);
    expect(endings()).toEqual(["image"]);
  });

  it("runs with a device asleep that cannot be resumed, and says why", async () => {
    const first = await start();
    await fill(first);
    await first.daemon.stop();
    await using second = await start({ lmemSizesBytes: [32 * 2 ** 20], onShutdown: "none" });
    expect((await fetch(`${second.url}/readyz`)).status).toBe(200);
    expect(await device(second)).toMatchObject({ powerState: "SUSPENDED", sleepState: "S4" });
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 50, msg: "could not be resumed from its hibernation image" }),
    );
    const image = String(Object(await device(second)).image);
    expect((await send(second, "DELETE", image)).status).toBe(400);
    expect((await send(second, "POST", "devices/card0:reset", '{"scope":"FACTORY"}')).status).toBe(200);
    expect(await device(second)).toMatchObject({ powerState: "ACTIVE" });
  });

  it("says when an image does not fit, and leaves nothing half done", async () => {
    const test = await start({ imageQuotaBytes: 4096 });
    await fill(test);
    expect(await test.daemon.stop()).toMatchObject({ hibernated: false });
    expect(endings()).toEqual([]);
    expect(lines).toContainEqual(
      expect.objectContaining({ err: expect.objectContaining({ reason: "IMAGE_STORE_FULL" }) }),
    );
  });
});
