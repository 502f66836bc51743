/** Two daemons in two pid namespaces, as in two containers on one volume: each is process 1 to itself. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { ask, expectSaved, fill, hibernating } from "../../support/hibernating-daemon.ts";

/** A pid namespace of its own; the daemon is killed with this process. */
const NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const [UNSHARE = "", ...UNSHARE_WORDS] = NAMESPACE;
/** Only root may make one, and not in every container. */
const canUnshare = spawnSync(UNSHARE, [...UNSHARE_WORDS, "true"]).status === 0;
const REFUSAL = /Lock file \S+ cannot be taken: process 1 of host \S+, since \S+Z, holds it\./;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "torpor-lock-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe.runIf(canUnshare)("a second daemon in another pid namespace", () => {
  const words = () => [...hibernating(directory), "--swap", "64MiB"];

  it("is refused, names the holder, and touches nothing", async () => {
    await using first = new DaemonProcess(words(), {}, NAMESPACE);
    const { http } = await first.ready();
    await fill(http);
    await using second = new DaemonProcess(words(), {}, NAMESPACE);
    expect(await second.exit()).toMatchObject({ code: 1 });
    expect(second.stdout).toMatch(REFUSAL);
    expect((await ask(http, "POST", "devices/card0:suspend", { state: "S4" })).status).toBe(200);
    await using third = new DaemonProcess(words(), {}, NAMESPACE);
    expect(await third.exit()).toMatchObject({ code: 1 });
    expect((await ask(http, "POST", "devices/card0:resume")).status).toBe(200);
    expect((await ask(http, "GET", "devices/card0/objects/1/content")).status).toBe(200);
  });

  it("gets the directory, with what slept in it, at once when the first is killed", async () => {
    await using first = new DaemonProcess(words(), {}, NAMESPACE);
    const { http } = await first.ready();
    await fill(http);
    expect((await ask(http, "POST", "devices/card0:suspend", { state: "S4" })).status).toBe(200);
    first.kill("SIGKILL");
    await first.exit();
    // A client put it to sleep: by itself it would stay asleep.
    await expectSaved(directory, ["--swap", "64MiB", "--restore", "wake"]);
  });
});

it("a daemon that is stopped by SIGSTOP keeps its directory", async () => {
  await using first = new DaemonProcess(hibernating(directory));
  await first.ready();
  first.kill("SIGSTOP");
  await using second = new DaemonProcess(hibernating(directory));
  expect(await second.exit()).toMatchObject({ code: 1 });
  expect(second.stdout).toContain("cannot be taken");
});
