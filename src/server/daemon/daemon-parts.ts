/** The parts of a daemon besides its devices and wires, opened in order and closed again. */
import { randomBytes, randomInt } from "node:crypto";
import { type Logger, pino } from "pino";
import { type Device, type Failpoints, type MachineMemory, SnapshotStore } from "../../device/mod.ts";
import { openSecurity, type Security } from "../auth/security.ts";
import type { Config } from "../config/config.ts";
import { EventHub } from "../events/event-hub.ts";
import { type LoopWatch, watchEventLoop } from "../gate/loop-probe.ts";
import { type BuildInfo, readBuildInfo } from "../machine/build-info.ts";
import type { DataDirectory } from "../machine/data-directory.ts";
import { openMachineMemory } from "../machine/host-memory.ts";
import { systemClock } from "../machine/system-clock.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { Tracing } from "../tracing/otlp.ts";
import { openTracing } from "../tracing/tracing.ts";
import { closeDevices } from "./close-devices.ts";
import { makeFailpoints } from "./daemon-failpoints.ts";
import { closeDirectory, openDirectory } from "./data-files.ts";

export interface PartsOptions {
  /** @default silent */
  readonly log?: Logger;
  /** How many log lines its reader did not accept. @default none */
  readonly logLinesLost?: () => number;
  /** @default the version in package.json */
  readonly build?: BuildInfo;
  /** @default "threaded" */
  readonly engineForm?: "in-process" | "threaded";
}

export interface DaemonParts {
  readonly log: Logger;
  readonly build: BuildInfo;
  readonly engineForm: "in-process" | "threaded";
  readonly metrics: Metrics;
  /** Undefined without tracing. */
  readonly tracing: Tracing | undefined;
  readonly security: Security;
  /** By name. Empty at first. */
  readonly devices: Map<string, Device>;
  /** Identifies this run of the daemon. */
  readonly incarnation: string;
  /** Undefined if faults are not enabled. */
  readonly failpoints: Failpoints | undefined;
  readonly events: EventHub;
  /** Undefined if there is no data directory. */
  readonly directory: DataDirectory | undefined;
  readonly loop: LoopWatch;
  /** What the machine has for devices. */
  readonly machine: MachineMemory;
  /** Undefined without memory for snapshots. */
  readonly snapshots: SnapshotStore | undefined;
  /** Closes the devices too. */
  close(): Promise<void>;
}

/** @throws ConfigError if the configuration cannot be used; Error if the data directory cannot be opened */
export async function openParts(config: Config, options: PartsOptions): Promise<DaemonParts> {
  const { log = pino({ level: "silent" }), build = readBuildInfo({}), engineForm = "threaded" } = options;
  const metrics = new Metrics(build);
  metrics.showRateLimits(config.rateLimits);
  metrics.watchLog(options.logLinesLost ?? (() => 0));
  const tracing = await openTracing(config, () => ({ log, build, observer: metrics.countSpans() }));
  const security = await openSecurity(config, log);
  const devices = new Map<string, Device>();
  const incarnation = randomBytes(8).toString("hex");
  const failpoints = config.enableFaults
    ? makeFailpoints(config, { log, metrics, tell: (hit, device) => events.failpointHit(hit, device) })
    : undefined;
  // Random, because a clock that goes back would give two runs the same sequences. Leaves room for 2^52
  // events.
  const baseSequence = randomInt(2 ** 47) * 2 ** 5;
  const events = new EventHub({ clock: systemClock, failpoints, observer: metrics.events, baseSequence });
  const directory = await openDirectory(config.dataDirectory, log).catch((error: unknown) => {
    security.close();
    throw error;
  });
  const loop = watchEventLoop();
  const machine = openMachineMemory();
  const snapshots = openSnapshots(config.snapshotMemoryBytes, machine);
  if (snapshots !== undefined) metrics.watchSnapshots(snapshots);
  const close = async (): Promise<void> => {
    events.close();
    security.close();
    loop.stop();
    await closeDevices(devices, log);
    if (directory !== undefined) await closeDirectory(directory, log);
    await tracing?.close();
  };
  const opened = { log, build, engineForm, metrics, tracing, security, devices, incarnation };
  return { ...opened, failpoints, events, directory, loop, machine, snapshots, close };
}

function openSnapshots(sizeBytes: number, machine: MachineMemory): SnapshotStore | undefined {
  return sizeBytes === 0 ? undefined : new SnapshotStore({ sizeBytes, machine });
}
