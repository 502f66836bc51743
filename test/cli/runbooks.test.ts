/** The commands of the runbooks, pasted into a shell while what their alerts tell of is the case. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { onPath } from "../../scripts/apt.ts";
import type { Config } from "../../src/server/config/config.ts";
import { runCli } from "../support/cli.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";
import { readCommands } from "../support/monitoring.ts";

const RUNBOOKS = fileURLToPath(new URL("../../docs/runbooks", import.meta.url));
const DEVICE = "devices/card0";
const MIB = 2 ** 20;

interface Situation {
  readonly config?: Partial<Config>;
  readonly arrange: () => Promise<void>;
  /** What the commands show of it. */
  readonly shown: RegExp;
  /** Whether the device is as it should be once all commands of the page were run. @default false */
  readonly mended?: boolean;
}

/** Pages whose commands need more than a device with a few objects to make sense. */
const SITUATIONS: Readonly<Record<string, Situation>> = {
  TorporBlitterFallback: { arrange: sleepWith("copy.blit"), shown: /copy\.blit.* 1 / },
  TorporContentLost: { arrange: damageMemory, shown: /UNKNOWN/ },
  TorporDataVerifyFailure: { arrange: changeContent, shown: /CHECKSUM_MISMATCH[\s\S]*UNKNOWN/ },
  TorporDeviceLost: { arrange: lose, shown: /FAILED/, mended: true },
  TorporDeviceStuckTransition: {
    config: { rateLimits: { blitter: MIB } },
    arrange: crawl,
    shown: /path="blitter"\} 1048576[\s\S]*CANCELLED/,
    mended: true,
  },
  TorporDeviceWedged: { arrange: wedge, shown: /wedged/i, mended: true },
  TorporEngineHangs: { arrange: hangAnEngine, shown: /rcs0/ },
  TorporFaultsEnabled: { arrange: sleepWith("copy.blit"), shown: /copy\.blit/ },
  TorporImageErrors: {
    config: { imageQuotaBytes: MIB },
    arrange: () => refused("POST", `${DEVICE}:suspend`, '{"state":"S4"}'),
    shown: /torpor_image_errors_total.*IMAGE_STORE_FULL"\} 1/,
  },
  TorporRecoveryFailed: { arrange: failToUndo, shown: /recover/, mended: true },
  TorporResumeFailed: { arrange: lose, shown: /FIRMWARE_LOAD_FAILED/, mended: true },
  TorporSuspendFailureRatioHigh: { arrange: failToHibernate, shown: /COPY_FAILED/ },
  TorporSuspendSlow: { arrange: sleepWith(), shown: /evict_pinned/ },
};

const hasCurl = onPath("curl");
let folder: string;
let daemon: TestDaemon;
/** What goes on while the commands are run. */
let meanwhile: Promise<unknown> = Promise.resolve();

const pages = readdirSync(RUNBOOKS).map((name) => name.replace(/\.md$/, ""));

it("each has commands", () => {
  expect(pages.filter((page) => readCommands(page).length === 0)).toEqual([]);
  expect(Object.keys(SITUATIONS).filter((page) => !pages.includes(page))).toEqual([]);
});

describe("commands", () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "torpor-runbooks-"));
  });

  afterEach(async () => {
    await meanwhile;
    await daemon[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it.for(pages)("of %s work when they are needed, and show what they should", async (page, { skip }) => {
    const { config = {}, arrange, shown = /./, mended = false } = SITUATIONS[page] ?? {};
    daemon = await startTestDaemon({ enableFaults: true, dataDirectory: join(folder, "data"), ...config });
    skip(!hasCurl && readCommands(page).some((command) => command.startsWith("curl ")), "There is no curl.");
    for (const id of [1, 2, 3, 4]) {
      await done("POST", `${DEVICE}/objects`, '{"size":"65536"}');
      await done("PUT", `${DEVICE}/objects/${id}/content`, "x".repeat(65_536));
    }
    await done("POST", `${DEVICE}/objects/4:pin`);
    await arrange?.();
    let output = "";
    for (const command of readCommands(page)) output += await pasted(command);
    expect(output).toMatch(shown);
    if (!mended) return;
    await meanwhile;
    const device = await done("GET", DEVICE);
    expect(device).toMatch(/"powerState": ?"ACTIVE"/);
    expect(device).not.toMatch(/"wedged": ?true/);
  });
});

/** What a command prints, which must succeed: torporctl in this process, all else in a shell. */
async function pasted(command: string): Promise<string> {
  const [program, ...words] = command.split(" ");
  if (program === "torporctl") {
    const inFolder = words.map((word) => (word.endsWith(".json") ? join(folder, word) : word));
    const { code, stdout, stderr } = await runCli(["--server", daemon.grpc, ...inFolder]);
    expect(code, `${command}: ${stderr}`).toBe(0);
    return stdout;
  }
  const local = command.replaceAll("localhost:8585", daemon.url.replace("http://", ""));
  const run = promisify(execFile)("sh", ["-c", local], { cwd: folder, timeout: 30_000 });
  const { stdout } = await run.catch((error: unknown) => expect.fail(`${command} fails: ${String(error)}`));
  return stdout;
}

async function answer(method: string, path: string, body = "{}") {
  const headers = { "content-type": path.endsWith("/content") ? "text/plain" : "application/json" };
  const sent = method === "GET" ? {} : { headers, body };
  const response = await fetch(`${daemon.url}/v1/${path}`, { method, ...sent });
  return { status: response.status, text: await response.text() };
}

async function done(method: string, path: string, body?: string): Promise<string> {
  const { status, text } = await answer(method, path, body);
  expect(status, `${method} ${path}: ${text}`).toBe(200);
  return text;
}

async function refused(method: string, path: string, body?: string): Promise<void> {
  const { status, text } = await answer(method, path, body);
  expect(status, `${method} ${path}: ${text}`).not.toBe(200);
}

function arm(failpoint: string): Promise<string> {
  return done("PUT", `failpoints/${failpoint}`, '{"action":"ERROR","count":1}');
}

function sleepWith(...failpoints: readonly string[]) {
  return async () => {
    for (const failpoint of failpoints) await arm(failpoint);
    await done("POST", `${DEVICE}:suspend`, '{"state":"S3"}');
    await done("POST", `${DEVICE}:resume`);
  };
}

async function wedge(): Promise<void> {
  await sleepWith("migrate.pageTable")();
  expect(await done("GET", DEVICE)).toMatch(/"wedged": ?true/);
}

async function lose(): Promise<void> {
  await done("POST", `${DEVICE}:suspend`, '{"state":"S3"}');
  await arm("firmware.load");
  await refused("POST", `${DEVICE}:resume`);
}

async function changeContent(): Promise<void> {
  await done("POST", `${DEVICE}:suspend`, '{"state":"S3","verify":true}');
  await arm("verify.mismatch");
  await refused("POST", `${DEVICE}:resume`);
}

async function damageMemory(): Promise<void> {
  await arm("ecc.error");
  await refused("GET", `${DEVICE}/objects/2/content`);
}

async function failToHibernate(): Promise<void> {
  await arm("image.write");
  await refused("POST", `${DEVICE}:suspend`, '{"state":"S4"}');
}

async function failToUndo(): Promise<void> {
  await arm("powerOff.before");
  await arm("engine.start");
  await refused("POST", `${DEVICE}:suspend`, '{"state":"S3"}');
}

/** With the brake on, some seconds of a suspend. */
async function crawl(): Promise<void> {
  await done("POST", `${DEVICE}/objects`, JSON.stringify({ size: String(8 * MIB) }));
  await done("PUT", `${DEVICE}/objects/5/content`, "x".repeat(8 * MIB));
  meanwhile = refused("POST", `${DEVICE}:suspend`, '{"state":"S3"}');
  await expect.poll(() => done("GET", DEVICE)).toMatch(/"powerState": ?"SUSPENDING"/);
}

async function hangAnEngine(): Promise<void> {
  await done("POST", `${DEVICE}/contexts`, '{"engine":"rcs0"}');
  await done("POST", `${DEVICE}/contexts/1:submit`, '{"commands":[{"hang":{}}],"wait":"20s"}');
}
