/** Signals as terminals, npm and service managers send them: the same wish twice is one wish. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { ask, expectSaved, fill, hibernating } from "../../support/hibernating-daemon.ts";

const ROOT = join(import.meta.dirname, "../../..");
const CTRL_C = "\x03";
const SCRIPT = "/usr/bin/script";

let directory: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "torpor-signals-"));
});
afterEach(() => {
  if (child?.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  child = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** `npm start` in a process group of its own, under a terminal or not. Resolves when the daemon is ready. */
async function npmStart({ terminal }: { readonly terminal: boolean }) {
  const words = ["npm", "start", "--", ...hibernating(directory)];
  const [program = "", ...rest] = terminal ? [SCRIPT, "-qec", words.join(" "), "/dev/null"] : words;
  const started = spawn(program, rest, { cwd: ROOT, detached: true, stdio: ["pipe", "pipe", "inherit"] });
  child = started;
  let output = "";
  started.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(started, "close");
  await expect.poll(() => output, { timeout: 30_000 }).toContain('"msg":"ready"');
  const http = /"http":"([^"]+)"/.exec(output)?.[1] ?? "";
  return { started, http, ended, output: () => output };
}

describe("every byte is in an image after", () => {
  it.runIf(existsSync(SCRIPT))("one Ctrl-C in a terminal where npm start runs", async () => {
    const { started, http, ended, output } = await npmStart({ terminal: true });
    await fill(http);
    started.stdin.write(CTRL_C);
    await ended;
    expect(output()).toContain('"hibernated":true');
    await expectSaved(directory);
  });

  it.each(["SIGTERM", "SIGINT"] as const)("%s to the process group of npm start", async (signal) => {
    const { started, http, ended, output } = await npmStart({ terminal: false });
    await fill(http);
    process.kill(-(started.pid ?? 0), signal);
    await ended;
    expect(output()).toContain('"hibernated":true');
    await expectSaved(directory);
  });

  it("the same signal many times at once", async () => {
    await using daemon = new DaemonProcess(hibernating(directory));
    await fill((await daemon.ready()).http);
    for (let times = 0; times < 5; times++) daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    await expectSaved(directory);
  });

  it("a signal while an image is restored", async () => {
    await using first = new DaemonProcess(hibernating(directory));
    await fill((await first.ready()).http);
    first.kill("SIGTERM");
    expect(await first.exit()).toEqual({ code: 0, signal: null });
    const slow = { TORPOR_FAILPOINTS: "image.read=delay(1500ms)*1" };
    await using second = new DaemonProcess(hibernating(directory), slow);
    await second.line("resuming from its hibernation image");
    second.kill("SIGTERM");
    expect(await second.exit()).toEqual({ code: 0, signal: null });
    await expectSaved(directory);
  });
});

it("a second signal that comes later ends it at once and says what is lost", async () => {
  await using daemon = new DaemonProcess(hibernating(directory));
  const { http } = await daemon.ready();
  await fill(http);
  const waiting = ask(http, "POST", "devices/card0/contexts", { engine: "rcs0" }).then(async () => {
    await ask(http, "POST", "devices/card0/contexts/1:submit", { commands: [{ spin: { duration: "60s" } }] });
  });
  await waiting;
  daemon.kill("SIGTERM");
  await daemon.line("stopping");
  await pause(2_200);
  daemon.kill("SIGTERM");
  expect(await daemon.exit()).toEqual({ code: 143, signal: null });
  const said = await daemon.line("stopped at once: the state of these devices is lost");
  expect(said).toMatchObject({ level: "error", devices: ["card0"] });
});
