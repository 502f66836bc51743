/** Devices that cannot be hibernated at the first attempt: what their errors recommend is done, and every byte is saved. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { ask, expectSaved, fill, hibernating } from "../../support/hibernating-daemon.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "torpor-remedy-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const CARD = "devices/card0";

/** Work that does not end by itself while anybody waits. */
async function keepBusy(http: string, command: object): Promise<void> {
  expect((await ask(http, "POST", `${CARD}/contexts`, { engine: "rcs0" })).status).toBe(200);
  expect((await ask(http, "POST", `${CARD}/contexts/1:submit`, { commands: [command] })).status).toBe(200);
}

async function powerStateOf(http: string): Promise<string | undefined> {
  return /"powerState":"(\w+)"/.exec(String((await ask(http, "GET", CARD)).body))?.[1];
}

describe("SIGTERM saves a device", () => {
  it("that a resume left FAILED, which resuming again mends", async () => {
    await using daemon = new DaemonProcess(hibernating(directory));
    const { http } = await daemon.ready();
    await fill(http);
    await ask(http, "PUT", "failpoints/restoreLate.object", { action: "ERROR" });
    expect((await ask(http, "POST", `${CARD}:suspend`, { state: "S3" })).status).toBe(200);
    expect((await ask(http, "POST", `${CARD}:resume`)).status).toBe(500);
    expect(await powerStateOf(http)).toBe("FAILED");
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    await expectSaved(directory);
  });

  it("whose work does not end and whose memory the CPU does not reach", async () => {
    const small = ["--visible", "16MiB"];
    await using daemon = new DaemonProcess([...hibernating(directory), ...small]);
    const { http } = await daemon.ready();
    await fill(http);
    await keepBusy(http, { spin: { duration: "600s" } });
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    const said = await daemon.line("hibernating failed and is tried again");
    expect(said).toMatchObject({ device: "card0", remedy: "reset", err: { reason: "IDLE_TIMEOUT" } });
    await expectSaved(directory, small);
  });

  it("that hangs", async () => {
    await using daemon = new DaemonProcess(hibernating(directory));
    const { http } = await daemon.ready();
    await fill(http);
    await keepBusy(http, { hang: {} });
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    await expectSaved(directory);
  });

  it("that sleeps in the memory of the process", async () => {
    await using daemon = new DaemonProcess(hibernating(directory));
    const { http } = await daemon.ready();
    await fill(http);
    expect((await ask(http, "POST", `${CARD}:suspend`, { state: "S3" })).status).toBe(200);
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    // A client put it to sleep: by itself it would stay asleep.
    await expectSaved(directory, ["--restore", "wake"]);
  });
});

it("a device that cannot be saved is told by name, and the exit code is 1", async () => {
  await using daemon = new DaemonProcess([...hibernating(directory), "--image-quota", "64KiB"]);
  const { http } = await daemon.ready();
  await fill(http);
  daemon.kill("SIGTERM");
  expect(await daemon.exit()).toEqual({ code: 1, signal: null });
  const said = await daemon.line("the state of these devices could not be saved and is lost");
  expect(said).toMatchObject({ level: "error", devices: ["card0"] });
});
