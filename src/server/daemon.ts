/** One daemon: its devices, metrics and servers, put together. For main and for tests. */
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { settledWithin } from "../device/clock.ts";
import { type Device, describeImage, Failpoints, failpointNames } from "../device/mod.ts";
import { bindGrpc, bindHttp } from "./bind.ts";
import { type BuildInfo, readBuildInfo } from "./build-info.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_FILES_MS, SHUTDOWN_HIBERNATE_MS } from "./daemon-limits.ts";
import { DataDirectory } from "./data-directory.ts";
import { boot } from "./device-boot.ts";
import type { DeviceRegistry } from "./devices.ts";
import { buildGrpc } from "./grpc/build.ts";
import { hibernateDevices } from "./hibernate.ts";
import { buildHttp } from "./http/build.ts";
import { ImageDirectory } from "./image-directory.ts";
import { type ListenAddress, loopbackRefusal } from "./listen.ts";
import { probeDevice } from "./metrics/device-state.ts";
import { Metrics } from "./metrics/metrics.ts";
import { restoreDevices } from "./restore.ts";
import { closeDevices, drain, type Servers } from "./shutdown.ts";
import { systemClock } from "./system-clock.ts";

export interface RunningDaemon {
  /** Where it listens, with the ports that the system chose. */
  readonly addresses: { readonly http: ListenAddress; readonly grpc: ListenAddress };
  /** By name. */
  readonly devices: ReadonlyMap<string, Device>;
  /** Lets running calls finish, hibernates the devices if that is configured, and closes them. */
  stop(): Promise<StopOutcome>;
}

export interface StopOutcome {
  /** False when calls had to be cut off. */
  readonly drained: boolean;
  /** False when a device was to be hibernated and was not; undefined when none was to be. */
  readonly hibernated: boolean | undefined;
}

export interface DaemonOptions {
  /** @default silent */
  readonly log?: Logger;
  /** @default that of package.json */
  readonly build?: BuildInfo;
  /** @default "threaded" */
  readonly engineForm?: "in-process" | "threaded";
  /** How long running calls may go on after `stop`. @default SHUTDOWN_DRAIN_MS */
  readonly drainMs?: number;
  /** How long hibernating may take then. @default SHUTDOWN_HIBERNATE_MS */
  readonly hibernateMs?: number;
}

/**
 * Boots the devices, listens, and resumes those of which there are images. Whatever was started is stopped again when
 * something fails.
 * @throws ConfigError when the configuration cannot be used; Error when an address or the data directory cannot be had.
 */
export async function startDaemon(config: Config, options: DaemonOptions = {}): Promise<RunningDaemon> {
  refuseOpenAddresses(config);
  const { log = pino({ level: "silent" }), build = readBuildInfo({}), engineForm = "threaded" } = options;
  const metrics = new Metrics(build);
  const devices = new Map<string, Device>();
  const failpoints = config.enableFaults ? makeFailpoints(config, log, metrics) : undefined;
  const { dataDirectory } = config;
  const directory = dataDirectory === undefined ? undefined : await DataDirectory.open(dataDirectory);
  const end = async () => {
    await closeDevices(devices, log);
    if (directory !== undefined) await closeDirectory(directory, log);
  };
  const hibernation = { log, deadlineMs: options.hibernateMs ?? SHUTDOWN_HIBERNATE_MS };
  let ready = false;
  try {
    const hasSwap = config.swapBytes > 0;
    const images =
      directory === undefined ? undefined : await openImages(directory, config, { log, metrics });
    const registry: DeviceRegistry = Object.assign(devices, { failpoints, images });
    const swap = hasSwap ? await directory?.openSwap(config.devices, config.swapBytes) : undefined;
    for (const [index, name] of config.devices.entries()) {
      const deps = { log, metrics, engineForm, failpoints, images };
      const device = await boot(name, config, { ...deps, swap: swap?.[index] });
      devices.set(name, device);
      metrics.watchDevice(() => probeDevice(device));
    }
    const servers: Servers = {
      app: buildHttp({
        devices: registry,
        logger: log,
        version: build.version,
        allowedHosts: config.allowedHosts,
        isReady: () => ready,
        metrics: (accept) => metrics.scrape(accept),
        observer: metrics.calls,
      }),
      grpc: buildGrpc({ devices: registry, logger: log, observer: metrics.calls }),
    };
    servers.grpc.setServing(false);
    const addresses = await listen(servers, config);
    await restoreDevices(devices.values(), log);
    ready = true;
    servers.grpc.setServing(true);
    let stopped: Promise<StopOutcome> | undefined;
    const stop = async () => {
      ready = false;
      // What hangs at one would keep the daemon from stopping.
      failpoints?.reset();
      const deadlineMs = options.drainMs ?? SHUTDOWN_DRAIN_MS;
      const drained = await drain(servers, { devices, log, deadlineMs });
      const hibernates = config.onShutdown === "hibernate";
      const hibernated = hibernates ? await hibernateDevices(devices.values(), hibernation) : undefined;
      await end();
      return { drained, hibernated };
    };
    return {
      addresses,
      devices,
      stop() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function refuseOpenAddresses(config: Config): void {
  if (config.insecureListen) return;
  for (const key of ["http", "grpc"] as const) {
    const refusal = loopbackRefusal(key, config[key]);
    if (refusal !== undefined) throw new ConfigError(refusal);
  }
}

function makeFailpoints(config: Config, log: Logger, metrics: Metrics): Failpoints {
  log.warn("faults are enabled: clients can make devices fail and end this daemon");
  const count = metrics.countFailpoints(failpointNames());
  const failpoints = new Failpoints({
    clock: systemClock,
    crash,
    onHit: (failpoint) => {
      count(failpoint);
      log.warn({ failpoint }, "a failpoint fired");
    },
  });
  for (const { text, name, arming } of config.failpoints) {
    failpoints.arm(name, arming);
    log.warn({ failpoint: name, entry: text }, "a failpoint is armed from the start");
  }
  return failpoints;
}

/** Ends the process as the kernel would for want of memory: nothing is flushed. */
function crash(): never {
  for (;;) process.kill(process.pid, "SIGKILL");
}

interface Tellers {
  readonly log: Logger;
  readonly metrics: Metrics;
}

async function openImages(
  directory: DataDirectory,
  { imageQuotaBytes: quotaBytes, keepImages: keepConsumed }: Config,
  { log, metrics }: Tellers,
): Promise<ImageDirectory> {
  const path = join(directory.path, "images");
  const counts = metrics.countImages();
  const { observer } = counts;
  const images = await ImageDirectory.open({
    path,
    quotaBytes,
    keepConsumed,
    observer,
    now: Date.now,
    describe: describeImage,
  });
  counts.watch(() => images.usage());
  const { partialsRemoved } = images;
  if (partialsRemoved > 0) log.warn({ partialsRemoved }, "unfinished hibernation images were removed");
  return images;
}

async function closeDirectory(directory: DataDirectory, log: Logger): Promise<void> {
  const closing = directory
    .close()
    .catch((error: unknown) => log.warn({ err: error }, "the data directory could not be given up"));
  if (await settledWithin(systemClock, closing, SHUTDOWN_FILES_MS)) return;
  log.warn({ deadlineMs: SHUTDOWN_FILES_MS }, "the data directory was not given up by the deadline");
}

async function listen(servers: Servers, config: Config): Promise<RunningDaemon["addresses"]> {
  try {
    const http = await bindHttp(servers.app, config.http);
    return { http, grpc: await bindGrpc(servers.grpc.server, config.grpc) };
  } catch (error) {
    await servers.app.close();
    servers.grpc.server.forceShutdown();
    throw error;
  }
}
