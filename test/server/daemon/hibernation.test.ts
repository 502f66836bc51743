/** Devices at the start and the end of a daemon: which of them are resumed, which are suspended, and what the log says. */
import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceError, type DeviceResource } from "../../../src/device/mod.ts";
import { hibernateDevices } from "../../../src/server/daemon/hibernate.ts";
import { restoreDevices } from "../../../src/server/daemon/restore-devices.ts";
import { FakeDevice } from "../../support/fake-device.ts";

let lines: Record<string, unknown>[] = [];
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
beforeEach(() => {
  lines = [];
});

function fake(name: string, shows: Partial<DeviceResource>): FakeDevice {
  const device = new FakeDevice(name);
  device.shows = shows;
  return device;
}

function commandsOf(device: FakeDevice): string[] {
  return device.commands.map(({ type }) => type).filter((type) => type !== "getDevice");
}

function errors(): unknown[] {
  return lines.filter(({ level }) => level === 50).map(({ device, msg }) => `${device}: ${msg}`);
}

describe("at the start", () => {
  it("every device that sleeps is resumed, side by side, and no other", async () => {
    const asleep = ["card0", "card1"].map((name) =>
      fake(name, { powerState: "SUSPENDED", image: `${name}-i` }),
    );
    const awake = fake("card2", {});
    let resuming = 0;
    const both = new Promise<void>((resolve) => {
      for (const device of asleep) {
        device.gate = async ({ type }) => {
          if (type !== "resume") return;
          if (++resuming === 2) resolve();
          await both;
        };
      }
    });
    await restoreDevices([...asleep, awake], log);
    expect([...asleep, awake].map(commandsOf)).toEqual([["resume"], ["resume"], []]);
    expect(errors()).toEqual([]);
  });

  it("a resume that fails is in the log with its reason, and keeps no other device", async () => {
    const broken = fake("card0", { powerState: "SUSPENDED", image: "card0-i" });
    broken.failures.set("resume", new DeviceError("IMAGE_INCOMPATIBLE", "Local memory was larger."));
    const sound = fake("card1", { powerState: "SUSPENDED", image: "card1-i" });
    await restoreDevices([broken, sound], log);
    expect(commandsOf(sound)).toEqual(["resume"]);
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 50,
        device: "card0",
        image: "card0-i",
        err: expect.objectContaining({ reason: "IMAGE_INCOMPATIBLE", message: "Local memory was larger." }),
      }),
    );
  });
});

describe("at the end", () => {
  it.each<[string, Partial<DeviceResource>, string[], boolean]>([
    ["ACTIVE is suspended", { powerState: "ACTIVE" }, ["suspend"], true],
    ["in S3 goes deeper", { powerState: "SUSPENDED", sleepState: "S3" }, ["suspend"], true],
    ["in S2idle goes deeper", { powerState: "SUSPENDED", sleepState: "S2IDLE" }, ["suspend"], true],
    ["in S4 is left as it is", { powerState: "SUSPENDED", sleepState: "S4", image: "i" }, [], true],
    ["in hybrid S3 is left as it is", { powerState: "SUSPENDED", sleepState: "S3", image: "i" }, [], true],
    ["FAILED is resumed first", { powerState: "FAILED" }, ["resume", "suspend"], true],
  ])("a device that is %s", async (_title, shows, commands, hibernated) => {
    const device = fake("card0", shows);
    const lost = await hibernateDevices([device], { log, deadlineMs: 10_000 });
    expect(lost).toEqual(hibernated ? [] : ["card0"]);
    expect(commandsOf(device)).toEqual(commands);
    expect(errors()).toEqual(hibernated ? [] : ["card0: could not be hibernated"]);
    for (const command of device.commands) {
      if (command.type === "suspend") expect(command.state).toBe("S4");
    }
  });

  it("one that fails does not keep the others from it", async () => {
    const broken = fake("card0", {});
    broken.failures.set("suspend", new DeviceError("IMAGE_STORE_FULL", "The disk is full."));
    const sound = fake("card1", {});
    expect(await hibernateDevices([broken, sound], { log, deadlineMs: 10_000 })).toEqual(["card0"]);
    expect(commandsOf(sound)).toEqual(["suspend"]);
    expect(errors()).toEqual(["card0: could not be hibernated"]);
  });

  it.each([
    ["IDLE_TIMEOUT", ["suspend", "resetDevice", "suspend"]],
    ["COPY_FAILED", ["suspend", "resetDevice", "suspend"]],
    ["TRANSITION_IN_PROGRESS", ["suspend", "suspend"]],
  ] as const)("one that fails with %s gets what helps against it", async (reason, commands) => {
    const device = fake("card0", {});
    device.failures.set("suspend", new DeviceError(reason, "It failed."));
    device.gate = () => {
      if (commandsOf(device).length > 1) device.failures.clear();
      return undefined;
    };
    expect(await hibernateDevices([device], { log, deadlineMs: 10_000 })).toEqual([]);
    expect(commandsOf(device)).toEqual(commands);
  });

  it("one that fails each time is tried so often and no more", async () => {
    const device = fake("card0", {});
    device.failures.set("suspend", new DeviceError("COPY_FAILED", "It failed."));
    expect(await hibernateDevices([device], { log, deadlineMs: 10_000 })).toEqual(["card0"]);
    expect(commandsOf(device).filter((type) => type === "suspend")).toHaveLength(4);
  });

  it("a transition that runs is waited for", async () => {
    const device = fake("card0", { powerState: "SUSPENDING" });
    let looks = 0;
    device.gate = ({ type }) => {
      if (type === "getDevice" && ++looks === 3) device.shows = { powerState: "ACTIVE" };
      return undefined;
    };
    expect(await hibernateDevices([device], { log, deadlineMs: 10_000 })).toEqual([]);
    expect(commandsOf(device)).toEqual(["suspend"]);
  });

  it("is not put off by a device that comes to no end", async () => {
    const stuck = fake("card0", { powerState: "RESUMING" });
    const hung = fake("card1", {});
    hung.gate = ({ type }) => (type === "suspend" ? new Promise(() => {}) : undefined);
    expect(await hibernateDevices([stuck, hung], { log, deadlineMs: 30 })).toEqual(["card0", "card1"]);
    expect(lines).toContainEqual(expect.objectContaining({ level: 50, deadlineMs: 30 }));
  });
});
