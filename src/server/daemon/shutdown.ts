/**
 * Ends a daemon in order and under one deadline: it accepts no more calls, finishes the running ones,
 * hibernates every device if configured, and closes everything. Hibernation happens whatever failed before,
 * because it saves what cannot be recovered.
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
  /** Ends whatever would keep calls from ending: event streams, and failpoints that hang. */
  readonly release: () => void;
  /** Closes everything else within a limited time. */
  readonly close: () => Promise<void>;
}

export interface ShutdownTimes {
  /** How long running calls may continue. */
  readonly drainMs: number;
  /** How long hibernation may take beyond that; undefined if devices are not hibernated. */
  readonly hibernateMs: number | undefined;
}

export interface StopOutcome {
  /** False if calls had to be cut off. */
  readonly drained: boolean;
  /** False if a device should have been hibernated and was not; undefined if none should. */
  readonly hibernated: boolean | undefined;
  /** Names of the devices whose state should have been saved and is lost. */
  readonly lost: readonly string[];
}

/** What a stop has saved so far, for whoever must give up half way. */
export interface StopProgress {
  /** Names of devices that should be hibernated and are not yet. */
  unsaved: readonly string[];
}

/** Ends a daemon. Never rejects, and ends soon after the sum of the times. */
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

/** Says from time to time what the shutdown waits for, so that nobody has to guess. */
function reportWaiting({ servers, log }: ShutdownParts, progress: StopProgress): NodeJS.Timeout {
  return setInterval(() => {
    const { inProgress } = servers.gate;
    log.info({ calls: inProgress, devicesUnsaved: progress.unsaved }, "still stopping");
  }, SHUTDOWN_REPORT_MS);
}
