/** Every failpoint can be reached: a device that goes through everything once meets them all. */
import { describe, expect, test } from "vitest";
import { DeviceError, type FailpointName, failpointNames } from "../../../src/device/mod.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { boot, expectBytes, type HibernatingDevice, populate } from "../../support/hibernation.ts";

/** Of the watchers, which a device alone does not have: test/server/events/events-limits.test.ts passes it. */
const SERVER_POINT: FailpointName = "watch.slowConsumer";

describe("a life with hibernation, swap, a suspend that is undone and verification", () => {
  test.each(failpointNames().filter((name) => name !== SERVER_POINT))("passes %s", async (name) => {
    const device = await boot();
    const isQuiet = armAlways(device, name);
    // Uploads and downloads of the preparation must not fail: what changes bytes is armed after it.
    if (!isQuiet) device.failpoints.disarm(name);
    const state = await populate(device.gpu);
    if (!isQuiet) armAlways(device, name);
    await live(device, name);
    expect(device.failpoints.get(name).hits).toBeGreaterThan(0);
    // A device that was reset has nothing any more.
    if (isQuiet && name !== "image.own.answer") await expectBytes(device.gpu, state.hashes);
  });
});

/** Arms it as a delay of nothing, which changes nothing, or as an error where it takes nothing else. */
function armAlways({ failpoints }: HibernatingDevice, name: FailpointName): boolean {
  try {
    failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", count: 0 });
    return true;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    failpoints.arm(name, ERROR_ONCE);
    return false;
  }
}

async function live({ gpu, failpoints }: HibernatingDevice, name: FailpointName): Promise<void> {
  // What is armed may make any of these fail, and that is not what is looked at here.
  const attempt = (work: Promise<unknown>): Promise<unknown> => work.catch(() => {});
  await attempt(gpu.execute({ type: "suspend", state: "S4", verify: true }));
  await attempt(gpu.execute({ type: "resume" }));
  await attempt(gpu.execute({ type: "resume" }));
  if (name !== "image.seal") {
    failpoints.arm("image.seal", ERROR_ONCE);
    await attempt(gpu.execute({ type: "suspend", state: "S4" }));
  }
  await attempt(gpu.execute({ type: "suspend", state: "S4" }));
  if (name !== "powerOn.before") {
    failpoints.arm("powerOn.before", ERROR_ONCE);
    await attempt(gpu.execute({ type: "resume" }));
  }
  await attempt(gpu.execute({ type: "resume" }));
  if (name !== "powerOff.before") {
    failpoints.arm("powerOff.before", ERROR_ONCE);
    await attempt(gpu.execute({ type: "suspend", state: "S3" }));
  }
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
  const { objects } = await gpu.execute(list);
  for (const { id } of objects) await attempt(gpu.execute({ type: "checksumObject", object: id }));
  await attempt(gpu.execute({ type: "takeSnapshot", snapshot: "s", labels: {} }));
  await attempt(gpu.execute({ type: "restoreSnapshot", snapshot: "s" }));
  if (name === "image.own.answer") await attempt(gpu.execute({ type: "resetDevice", scope: "FACTORY" }));
}
