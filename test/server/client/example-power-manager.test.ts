/** examples/power-manager against a real daemon: what suspends, what does not, and what it makes of a suspend that fails. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PowerManager } from "../../../examples/power-manager/power-manager.ts";
import { Torpor } from "../../../examples/power-manager/torpor.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";

const IDLE_MS = 10_000;
const CARD0 = "devices/card0";

describe("the power manager", () => {
  let daemon: TestDaemon;
  let nowMs: number;
  let manager: PowerManager;

  beforeEach(async () => {
    daemon = await startTestDaemon({ enableFaults: true });
    nowMs = 0;
    manager = new PowerManager(new Torpor(daemon.url), { idleMs: IDLE_MS, now: () => nowMs });
  });

  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  test("suspends a device that has had no work for long enough, and not before", async () => {
    expect(await manager.step()).toEqual([left("not idle for long enough")]);
    nowMs = IDLE_MS - 1;
    expect(await manager.step()).toEqual([left("not idle for long enough")]);
    nowMs = IDLE_MS;
    expect(await manager.step()).toEqual([{ device: CARD0, action: "suspended" }]);
    expect(await powerState()).toBe("SUSPENDED");
    expect(await manager.step()).toEqual([left("asleep")]);
  });

  test("wakes it for whoever needs it, and its idle time begins anew", async () => {
    await manager.step();
    nowMs = IDLE_MS;
    await manager.step();
    await manager.wake(CARD0);
    expect(await powerState()).toBe("ACTIVE");
    expect(await manager.step()).toEqual([left("not idle for long enough")]);
  });

  test("leaves a device that works, and sees work that came and went between two looks", async () => {
    const { name } = await post(`${CARD0}/contexts`, { engine: "rcs0" });
    await post(`${name}:submit`, { commands: [{ spin: { duration: "600s" } }] });
    expect(await manager.step()).toEqual([left("busy")]);
    nowMs = IDLE_MS;
    expect(await manager.step()).toEqual([left("busy")]);
    await post(`${CARD0}:reset`, { scope: "FACTORY" });

    await manager.step();
    const context = await post(`${CARD0}/contexts`, { engine: "rcs0" });
    await post(`${context.name}:submit`, { commands: [{ spin: { duration: "0.001s" } }], wait: "10s" });
    nowMs += IDLE_MS;
    expect(await manager.step()).toEqual([left("not idle for long enough")]);
  });

  test("has patience with a device whose suspend fails, and tries again later", async () => {
    await put("failpoints/powerOff.before", { action: "ERROR", reason: "COPY_FAILED", count: 1 });
    await manager.step();
    nowMs = IDLE_MS;
    expect(await manager.step()).toMatchObject([{ device: CARD0, action: "could not" }]);
    expect(await powerState()).toBe("ACTIVE");

    nowMs += 2 * IDLE_MS - 1;
    expect(await manager.step()).toEqual([left("not idle for long enough")]);
    nowMs += 1;
    expect(await manager.step()).toEqual([{ device: CARD0, action: "suspended" }]);
  });

  test("runs by its command, and says what it suspends", async () => {
    const main = fileURLToPath(new URL("../../../examples/power-manager/main.ts", import.meta.url));
    const program = spawn(process.execPath, [main, daemon.url, "0.1"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [said] = await once(program.stdout, "data");
      expect(JSON.parse(String(said))).toEqual({ device: CARD0, action: "suspended" });
      expect(await powerState()).toBe("SUSPENDED");
    } finally {
      program.kill();
      await once(program, "exit");
    }
  });

  async function powerState(): Promise<string | undefined> {
    const devices = await new Torpor(daemon.url).devices();
    return devices.find(({ name }) => name === CARD0)?.powerState;
  }

  const post = (path: string, body: object) => send("POST", path, body);
  const put = (path: string, body: object) => send("PUT", path, body);

  async function send(method: string, path: string, body: object): Promise<{ readonly name: string }> {
    const response = await fetch(`${daemon.url}/v1/${path}`, { method, body: JSON.stringify(body) });
    const said = await response.text();
    expect(response.ok, said).toBe(true);
    return JSON.parse(said) as { readonly name: string };
  }
});

function left(because: string) {
  return { device: CARD0, action: "left", because };
}
