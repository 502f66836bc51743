/** The end of a daemon whose devices are to come back: each is suspended to S4. */
import type { Logger } from "pino";
import { settledWithin, sleep } from "../../device/clock.ts";
import { DeviceError, type DeviceResource } from "../../device/mod.ts";
import type { DeviceHandle } from "../api/devices.ts";
import { SHUTDOWN_POLL_MS } from "../daemon-limits.ts";
import { systemClock } from "../machine/system-clock.ts";

export interface HibernateOptions {
  readonly log: Logger;
  /** How long all of it may take. */
  readonly deadlineMs: number;
}

/** Suspends the devices side by side. Answers whether the state of every one is in an image; the log says why not. */
export async function hibernateDevices(
  devices: Iterable<DeviceHandle>,
  { log, deadlineMs }: HibernateOptions,
): Promise<boolean> {
  let late = false;
  const all = Promise.all(
    [...devices].map(async (device) => {
      try {
        await hibernate(device, () => late);
        return true;
      } catch (error) {
        log.error({ device: device.name, err: error }, "could not be hibernated");
        return false;
      }
    }),
  );
  if (await settledWithin(systemClock, all, deadlineMs)) return (await all).every((done) => done);
  late = true;
  log.error({ deadlineMs }, "devices were still being hibernated at the deadline");
  return false;
}

async function hibernate(device: DeviceHandle, isLate: () => boolean): Promise<void> {
  const { powerState, image } = await atRest(device, isLate);
  if (powerState === "FAILED") {
    throw new DeviceError("DEVICE_FAILED", `Device ${device.name} is FAILED: what it holds is lost.`, {
      device: device.name,
    });
  }
  if (powerState === "SUSPENDED") {
    if (image !== "") return;
    // What it holds is in the memory of this process.
    await device.execute({ type: "resume" });
  }
  await device.execute({ type: "suspend", state: "S4" });
}

/** The device once no transition runs; a transition that outlived its call may still. */
async function atRest(device: DeviceHandle, isLate: () => boolean): Promise<DeviceResource> {
  for (;;) {
    const resource = await device.execute({ type: "getDevice" });
    const moves = resource.powerState === "SUSPENDING" || resource.powerState === "RESUMING";
    if (!moves) return resource;
    if (isLate()) {
      const message = `Device ${device.name} was still ${resource.powerState} at the deadline.`;
      throw new DeviceError("DEADLINE_EXCEEDED", message);
    }
    await sleep(systemClock, SHUTDOWN_POLL_MS);
  }
}
