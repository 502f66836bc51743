/** One daemon: its devices, metrics and servers, put together. For main and for tests. */
import { createHash, randomUUID } from "node:crypto";
import { type Logger, pino } from "pino";
import { settledWithin } from "../device/clock.ts";
import {
  type ByteStore,
  bootDevice,
  type Device,
  DeviceError,
  type EventSink,
  Failpoints,
  failpointNames,
} from "../device/mod.ts";
import { bindGrpc, bindHttp } from "./bind.ts";
import { type BuildInfo, readBuildInfo } from "./build-info.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_FILES_MS } from "./daemon-limits.ts";
import { DataDirectory } from "./data-directory.ts";
import { logDevice } from "./device-log.ts";
import type { DeviceRegistry } from "./devices.ts";
import { buildGrpc } from "./grpc/build.ts";
import { buildHttp } from "./http/build.ts";
import { type ListenAddress, loopbackRefusal } from "./listen.ts";
import { probeDevice } from "./metrics/device-state.ts";
import { Metrics } from "./metrics/metrics.ts";
import { closeDevices, drain, type Servers } from "./shutdown.ts";
import { systemClock } from "./system-clock.ts";

export interface RunningDaemon {
  /** Where it listens, with the ports that the system chose. */
  readonly addresses: { readonly http: ListenAddress; readonly grpc: ListenAddress };
  /** By name. */
  readonly devices: ReadonlyMap<string, Device>;
  /** Lets running calls finish, closes the devices. `drained` is false when calls had to be cut off. */
  stop(): Promise<{ readonly drained: boolean }>;
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
}

/**
 * Boots the devices and listens. Whatever was started is stopped again when something fails.
 * @throws ConfigError when the configuration cannot be used; Error when an address or the data directory cannot be had.
 */
export async function startDaemon(config: Config, options: DaemonOptions = {}): Promise<RunningDaemon> {
  refuseOpenAddresses(config);
  const { log = pino({ level: "silent" }), build = readBuildInfo({}), engineForm = "threaded" } = options;
  const metrics = new Metrics(build);
  const devices = new Map<string, Device>();
  const failpoints = config.enableFaults ? makeFailpoints(log, metrics) : undefined;
  const registry: DeviceRegistry = Object.assign(devices, { failpoints });
  const { dataDirectory } = config;
  const directory = dataDirectory === undefined ? undefined : await DataDirectory.open(dataDirectory);
  const end = async () => {
    await closeDevices(devices, log);
    if (directory !== undefined) await closeDirectory(directory, log);
  };
  let ready = false;
  try {
    const hasSwap = config.swapBytes > 0;
    const swap = hasSwap ? await directory?.openSwap(config.devices, config.swapBytes) : undefined;
    for (const [index, name] of config.devices.entries()) {
      const device = await boot(name, config, {
        log,
        metrics,
        engineForm,
        swap: swap?.[index],
        failpoints,
      });
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
    const addresses = await listen(servers, config);
    ready = true;
    let stopped: Promise<{ readonly drained: boolean }> | undefined;
    const stop = async () => {
      ready = false;
      // What hangs at one would keep the daemon from stopping.
      failpoints?.reset();
      const deadlineMs = options.drainMs ?? SHUTDOWN_DRAIN_MS;
      const drained = await drain(servers, { devices, log, deadlineMs });
      await end();
      return { drained };
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

interface BootDeps {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly engineForm: "in-process" | "threaded";
  readonly swap: ByteStore | undefined;
  readonly failpoints: Failpoints | undefined;
}

function makeFailpoints(log: Logger, metrics: Metrics): Failpoints {
  log.warn("faults are enabled: clients can make devices fail and end this daemon");
  const count = metrics.countFailpoints(failpointNames());
  return new Failpoints({
    clock: systemClock,
    crash,
    onHit: (failpoint) => {
      count(failpoint);
      log.warn({ failpoint }, "a failpoint fired");
    },
  });
}

/** Ends the process as the kernel would for want of memory: nothing is flushed. */
function crash(): never {
  for (;;) process.kill(process.pid, "SIGKILL");
}

async function boot(name: string, config: Config, deps: BootDeps): Promise<Device> {
  const { log, metrics, engineForm, swap, failpoints } = deps;
  const { minPageBytes, visibleBytes = Number.POSITIVE_INFINITY } = config;
  const memories = [...config.lmemSizesBytes.map((_, index) => `lmem${index}`), "smem"];
  const count = metrics.countDevice(name, memories, config.engines);
  const record = logDevice(log, name);
  const emit: EventSink = (event) => {
    count(event);
    record(event);
  };
  try {
    return await bootDevice({
      name,
      uid: randomUUID(),
      lmem: config.lmemSizesBytes.map((sizeBytes) => ({
        sizeBytes,
        minPageBytes,
        visibleBytes: Math.min(sizeBytes, visibleBytes),
      })),
      smem: { sizeBytes: config.smemBytes },
      stolenBytes: config.stolenBytes,
      ...(swap === undefined ? {} : { swap }),
      ...(failpoints === undefined ? {} : { failpoints: failpoints.forDevice(name) }),
      engines: config.engines,
      rateLimits: config.rateLimits,
      engineForm,
      clock: systemClock,
      clockModule: engineClockModule(),
      random: Math.random,
      emit,
      sha256: hashSha256,
    });
  } catch (error) {
    if (!(error instanceof DeviceError && error.kind === "invalid")) throw error;
    throw new ConfigError(`Device ${name} cannot be made. ${error.message}`, { cause: error });
  }
}

async function closeDirectory(directory: DataDirectory, log: Logger): Promise<void> {
  const closing = directory
    .close()
    .catch((error: unknown) => log.warn({ err: error }, "the data directory could not be given up"));
  if (await settledWithin(systemClock, closing, SHUTDOWN_FILES_MS)) return;
  log.warn({ deadlineMs: SHUTDOWN_FILES_MS }, "the data directory was not given up by the deadline");
}

/** Runs from source and from dist: the extension of this file tells which; tsc does not rewrite URLs. */
function engineClockModule(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./monotonic-clock.${extension}`, import.meta.url);
}

function hashSha256() {
  const hash = createHash("sha256");
  return {
    update(bytes: Uint8Array): void {
      hash.update(bytes);
    },
    digestHex: () => hash.digest("hex"),
  };
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
