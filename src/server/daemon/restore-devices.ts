/** At the start of a daemon, resumes the hibernated devices that should wake. */
import type { Logger } from "pino";
import type { DeviceHandle } from "../api/devices.ts";

/**
 * Resumes these devices side by side. A device whose resume fails stays as that left it, and the log has the
 * reason: an operator must look at it, and the others should not wait.
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
