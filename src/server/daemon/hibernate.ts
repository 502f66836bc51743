/**
 * At the end of a daemon whose devices should return, suspends each of them to S4. If that fails, it does
 * what the error recommends and tries again while there is time.
 */
import type { Logger } from "pino";
import { elapsedMs, settledWithin, sleep } from "../../device/clock.ts";
import { DeviceError, type DeviceResource, type SuspendCause } from "../../device/mod.ts";
import type { DeviceHandle } from "../api/devices.ts";
import { HIBERNATE_ATTEMPTS_MAX, HIBERNATE_IDLE_MS, SHUTDOWN_POLL_MS } from "../daemon-limits.ts";
import { systemClock } from "../machine/system-clock.ts";

export interface HibernateOptions {
  readonly log: Logger;
  /** The time limit for all of it. */
  readonly deadlineMs: number;
  /** Called with the name of each device whose state is in an image. */
  readonly onSaved?: (device: string) => void;
}

/**
 * Suspends the devices side by side. Never rejects.
 * @returns the names of the devices whose state could not be saved; the log says why
 */
export async function hibernateDevices(
  devices: Iterable<DeviceHandle>,
  { log, deadlineMs, onSaved }: HibernateOptions,
): Promise<readonly string[]> {
  const unsaved = new Set<string>();
  const time = new TimeLeft(deadlineMs);
  const all = Promise.all(
    [...devices].map(async (device) => {
      unsaved.add(device.name);
      const lines = log.child({ device: device.name });
      try {
        await hibernate(device, time, lines);
        unsaved.delete(device.name);
        onSaved?.(device.name);
      } catch (error) {
        lines.error({ err: error }, "could not be hibernated");
      }
    }),
  );
  if (!(await settledWithin(systemClock, all, deadlineMs))) {
    time.end();
    log.error({ deadlineMs, devices: [...unsaved] }, "devices were still being hibernated at the deadline");
  }
  return [...unsaved];
}

class TimeLeft {
  readonly #startNs = systemClock.monotonicNs();
  readonly #deadlineMs: number;
  #isOver = false;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  get isOver(): boolean {
    return this.#isOver || elapsedMs(this.#startNs, systemClock.monotonicNs()) >= this.#deadlineMs;
  }

  end(): void {
    this.#isOver = true;
  }
}

/** @throws the error of the last attempt */
async function hibernate(device: DeviceHandle, time: TimeLeft, log: Logger): Promise<void> {
  // A device that a client put to sleep stays asleep across the restart, whatever its sleep state.
  const { powerState } = await device.execute({ type: "getDevice" });
  const cause = powerState === "SUSPENDED" ? "client" : "shutdown";
  for (let attempt = 1; ; attempt++) {
    try {
      return await saveOnce(device, time, cause);
    } catch (error) {
      // A failed resume has given up nothing that an image holds.
      const { image, ownership } = await device.execute({ type: "getDevice" });
      // If an image is in doubt, nobody knows whether it holds anything.
      if (image !== "" && ownership.state !== "IN_DOUBT") return;
      const remedy = attempt < HIBERNATE_ATTEMPTS_MAX && !time.isOver ? remedyOf(error) : undefined;
      if (remedy === undefined) throw error;
      log.warn({ err: error, attempt, remedy }, "hibernating failed and is tried again");
      if (remedy === "reset") await device.execute({ type: "resetDevice", scope: "GT" });
    }
  }
}

/** Brings a device from any state to S4. */
async function saveOnce(device: DeviceHandle, time: TimeLeft, cause: SuspendCause): Promise<void> {
  const { powerState, image } = await atRest(device, time);
  if (powerState === "SUSPENDED" && image !== "") return;
  // Whatever a failed resume has not restored is in this process's memory. A suspended device goes deeper.
  if (powerState === "FAILED") await device.execute({ type: "resume" });
  // Work may take longer than usual to end, because whoever stopped the daemon granted this time.
  await device.execute({
    type: "suspend",
    state: "S4",
    cause,
    idleTimeoutMs: HIBERNATE_IDLE_MS,
    onIdleTimeout: "ABORT",
  });
}

/**
 * What to do before the next attempt; undefined if that would fail in the same way. A GT reset ends work that
 * does not end, and engines that do not answer. Memory stays, and only requests fail that would fail anyway.
 */
function remedyOf(error: unknown): "reset" | "repeat" | undefined {
  if (!(error instanceof DeviceError)) return undefined;
  switch (error.reason) {
    case "IDLE_TIMEOUT":
    case "COPY_FAILED":
    case "DEVICE_WEDGED":
    case "ENGINE_HUNG":
    case "FIRMWARE_LOAD_FAILED":
      return "reset";
    case "DEVICE_FAILED":
    case "OWNERSHIP_IN_DOUBT":
    case "DEVICE_TRANSITION":
    case "TRANSITION_IN_PROGRESS":
    case "TRANSITION_CANCELLED":
      return "repeat";
    default:
      return undefined;
  }
}

/** Returns the device when no transition runs. A transition may outlive its call. */
async function atRest(device: DeviceHandle, time: TimeLeft): Promise<DeviceResource> {
  for (;;) {
    const resource = await device.execute({ type: "getDevice" });
    const moves = resource.powerState === "SUSPENDING" || resource.powerState === "RESUMING";
    if (!moves) return resource;
    if (time.isOver) {
      const message = `Device ${device.name} was still ${resource.powerState} at the deadline.`;
      throw new DeviceError("DEADLINE_EXCEEDED", message);
    }
    await sleep(systemClock, SHUTDOWN_POLL_MS);
  }
}
