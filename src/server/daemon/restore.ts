/** The start of a daemon whose devices were hibernated: those that are to wake are resumed. */
import type { Logger } from "pino";
import type { DeviceHandle } from "../api/devices.ts";

/**
 * Resumes these devices, side by side. One whose resume fails stays as that left it, with the reason
 * in the log: an operator must look at it, and the others are not to wait.
 */
export async function restoreDevices(devices: Iterable<DeviceHandle>, log: Logger): Promise<void> {
  await Promise.all([...devices].map((device) => restore(device, log.child({ device: device.name }))));
}

async function restore(device: DeviceHandle, log: Logger): Promise<void> {
  const { powerState, image } = await device.execute({ type: "getDevice" });
  if (powerState !== "SUSPENDED") return;
  log.info({ image }, "resuming from its hibernation image");
  try {
    await device.execute({ type: "resume" });
  } catch (error) {
    log.error({ image, err: error }, "could not be resumed from its hibernation image");
  }
}
