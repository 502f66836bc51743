/** Closes the devices of a daemon within a time limit. The contents of their memories are then gone. */
import type { Logger } from "pino";
import { settledWithin } from "../../device/clock.ts";
import type { Device } from "../../device/mod.ts";
import { SHUTDOWN_CLOSE_MS } from "../daemon-limits.ts";
import { systemClock } from "../machine/system-clock.ts";

/** Never rejects, because the process ends anyway. */
export async function closeDevices(devices: ReadonlyMap<string, Device>, log: Logger): Promise<void> {
  const closing = Promise.allSettled([...devices.values()].map((device) => device.close()));
  if (!(await settledWithin(systemClock, closing, SHUTDOWN_CLOSE_MS))) {
    log.warn({ deadlineMs: SHUTDOWN_CLOSE_MS }, "the devices did not close by the deadline");
    return;
  }
  for (const result of await closing) {
    if (result.status === "rejected") log.warn({ err: result.reason }, "a device did not close in order");
  }
}
