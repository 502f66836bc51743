/**
 * The end of a daemon, in order and under one deadline: the doors close, calls finish, every device is
 * hibernated if that is configured, and everything is closed. Hibernation happens whatever came before it: it
 * saves what cannot be had again.
 */
import type { Logger } from "pino";
import type { Device } from "../../device/mod.ts";
import { SHUTDOWN_REPORT_MS } from "../daemon-limits.ts";
import { drain, type Servers } from "./drain.ts";
import { hibernateDevices } from "./hibernate.ts";

export interface ShutdownParts {
  readonly servers: Servers;
  readonly devices: ReadonlyMap<string, Device>;
  readonly log: Logger;
  /** Ends what would keep calls from ending: event streams, failpoints that hang. */
  readonly release: () => void;
  /** Closes everything else, in bounded time. */
  readonly close: () => Promise<void>;
}

export interface ShutdownTimes {
  /** How long running calls may go on. */
  readonly drainMs: number;
  /** How long hibernating may take beyond that; undefined where devices are not hibernated. */
  readonly hibernateMs: number | undefined;
}

export interface StopOutcome {
  /** False when calls had to be cut off. */
  readonly drained: boolean;
  /** False when a device was to be hibernated and was not; undefined when none was to be. */
  readonly hibernated: boolean | undefined;
  /** Names of the devices whose state was to be saved and is lost. */
  readonly lost: readonly string[];
}

/** What a stop has saved so far, for who must give it up half way. */
export interface StopProgress {
  /** Names of the devices that are to be hibernated and are not yet. */
  unsaved: readonly string[];
}

/** Ends a daemon. Never rejects, and is over soon after the sum of the times. */
export async function shutDown(
  parts: ShutdownParts,
  { drainMs, hibernateMs }: ShutdownTimes,
  progress: StopProgress,
): Promise<StopOutcome> {
  const { servers, devices, log } = parts;
  const startMs = performance.now();
  const report = reportWaiting(parts, progress);
  let drained = false;
  try {
    parts.release();
    drained = await drain(servers, { devices, log, deadlineMs: drainMs });
  } catch (error) {
    log.error({ err: error }, "the calls did not end in order");
  }
  let lost: readonly string[] = [];
  if (hibernateMs !== undefined) {
    const deadlineMs = drainMs + hibernateMs - (performance.now() - startMs);
    const onSaved = (name: string) => {
      progress.unsaved = progress.unsaved.filter((other) => other !== name);
    };
    lost = await hibernateDevices(devices.values(), { log, deadlineMs, onSaved });
  }
  clearInterval(report);
  try {
    await parts.close();
  } catch (error) {
    log.error({ err: error }, "the daemon did not close in order");
  }
  return { drained, hibernated: hibernateMs === undefined ? undefined : lost.length === 0, lost };
}

/** Says from time to time what the end waits for, so that nobody who watches it has to guess. */
function reportWaiting({ servers, log }: ShutdownParts, progress: StopProgress): NodeJS.Timeout {
  return setInterval(() => {
    const { inProgress } = servers.gate;
    log.info({ calls: inProgress, devicesUnsaved: progress.unsaved }, "still stopping");
  }, SHUTDOWN_REPORT_MS);
}
