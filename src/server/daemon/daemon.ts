/** One daemon: its devices, metrics and servers, put together. For main and for tests. */
import { randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type Logger, pino } from "pino";
import { settledWithin } from "../../device/clock.ts";
import { type Device, describeImage } from "../../device/mod.ts";
import type { DeviceRegistry } from "../api/devices.ts";
import { openSecurity, refuseOpenAddresses } from "../auth/security.ts";
import type { Config } from "../config/config.ts";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_FILES_MS, SHUTDOWN_HIBERNATE_MS } from "../daemon-limits.ts";
import { EventHub } from "../events/event-hub.ts";
import { watchEventLoop } from "../gate/loop-probe.ts";
import { type BuildInfo, readBuildInfo } from "../machine/build-info.ts";
import { DataDirectory } from "../machine/data-directory.ts";
import { ImageDirectory } from "../machine/image-directory.ts";
import { systemClock } from "../machine/system-clock.ts";
import { writableByOthers } from "../machine/writable-by-others.ts";
import { probeDevice } from "../metrics/device-state.ts";
import { Metrics } from "../metrics/metrics.ts";
import { openTracing } from "../tracing/tracing.ts";
import { closeDevices } from "./close-devices.ts";
import { makeFailpoints } from "./daemon-failpoints.ts";
import { boot } from "./device-boot.ts";
import type { Servers } from "./drain.ts";
import { restoreDevices } from "./restore.ts";
import { type StopOutcome, shutDown } from "./shutdown.ts";
import type { Addresses, WiresDeps } from "./wires.ts";

export interface RunningDaemon {
  readonly addresses: Addresses;
  /** By name. */
  readonly devices: ReadonlyMap<string, Device>;
  /**
   * Looks now whether tokens or certificates have changed; by itself it does so every few seconds. Never
   * rejects.
   */
  reload(): Promise<void>;
  /**
   * Lets running calls finish, hibernates the devices if that is configured, and closes them. Never rejects.
   */
  stop(): Promise<StopOutcome>;
  /**
   * Names of the devices whose state would be lost if the process ended now although it is to be hibernated.
   */
  unsaved(): readonly string[];
}

export interface DaemonOptions {
  /** @default silent */
  readonly log?: Logger;
  /** How many lines of the log its reader did not take. @default none */
  readonly logLinesLost?: () => number;
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
 * Boots the devices, listens, and resumes those of which there are images. Whatever was started is stopped
 * again when something fails.
 * @throws ConfigError when the configuration cannot be used; Error when an address or the data directory
 * cannot be had.
 */
export async function startDaemon(config: Config, options: DaemonOptions = {}): Promise<RunningDaemon> {
  refuseOpenAddresses(config);
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
  const { dataDirectory } = config;
  const directory = await openDirectory(dataDirectory, log).catch((error: unknown) => {
    security.close();
    throw error;
  });
  const loop = watchEventLoop();
  const end = async () => {
    events.close();
    security.close();
    loop.stop();
    await closeDevices(devices, log);
    if (directory !== undefined) await closeDirectory(directory, log);
    await tracing?.close();
  };
  let ready = false;
  try {
    const hasSwap = config.swapBytes > 0;
    const images =
      directory === undefined
        ? undefined
        : await openImages(directory, config, { log, metrics, incarnation });
    const registry: DeviceRegistry = Object.assign(devices, { failpoints, images });
    const swap = hasSwap ? await directory?.openSwap(config.devices, config.swapBytes) : undefined;
    const waking: Device[] = [];
    const bootDevices = async () => {
      for (const [index, name] of config.devices.entries()) {
        const sinks = { trace: tracing?.traceDevice(name), tell: events.sinkOf(name) };
        const deps = { log, metrics, engineForm, failpoints, images, incarnation, ...sinks };
        const { device, wakes } = await boot(name, config, { ...deps, swap: swap?.[index] });
        if (wakes) waking.push(device);
        devices.set(name, device);
        events.addDevice(device);
        metrics.watchDevice(() => probeDevice(device));
      }
      const others = (await images?.others()) ?? [];
      if (others.length > 0)
        log.info({ images: others }, "images that belong to no device here are left alone");
    };
    const deps: WiresDeps = {
      devices: registry,
      events,
      security,
      loop,
      log,
      metrics,
      tracer: tracing?.calls,
      version: build.version,
      isReady: () => ready,
    };
    // The threads of the engines take a while to start, and the wires take as long.
    const [, { servers, open }] = await both(bootDevices(), loadWires(config, deps));
    const addresses = await open();
    await restoreDevices(waking, log);
    ready = true;
    servers.grpc.setServing(true);
    const hibernates = config.onShutdown === "hibernate";
    const progress = { unsaved: hibernates ? [...devices.keys()] : [] };
    const release = () => {
      events.close();
      // What hangs at one would keep the daemon from stopping.
      failpoints?.reset();
    };
    const times = {
      drainMs: options.drainMs ?? SHUTDOWN_DRAIN_MS,
      hibernateMs: hibernates ? (options.hibernateMs ?? SHUTDOWN_HIBERNATE_MS) : undefined,
    };
    let stopped: Promise<StopOutcome> | undefined;
    const stop = () => {
      ready = false;
      return shutDown({ servers, devices, log, release, close: end }, times, progress);
    };
    return {
      addresses,
      devices,
      reload: () => security.reload(),
      stop() {
        stopped ??= stop();
        return stopped;
      },
      unsaved: () => progress.unsaved,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Loads both wires, which are half of all code, and builds them. */
async function loadWires(config: Config, deps: WiresDeps): Promise<LoadedWires> {
  // A turn later: by then the engines' threads are on their way, and this keeps the main one busy.
  await setImmediate();
  const { buildWires, listen } = await import("./wires.ts");
  const servers = buildWires(config, deps);
  await servers.app.ready();
  return { servers, open: () => listen(servers, config, deps.security) };
}

interface LoadedWires {
  readonly servers: Servers;
  open(): Promise<Addresses>;
}

/**
 * Like Promise.all for two, but it throws only when both have ended, so that nothing is under way any more.
 */
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<readonly [A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}

interface ImageDeps {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly incarnation: string;
}

async function openImages(
  directory: DataDirectory,
  { imageQuotaBytes: quotaBytes, keepImages: keepConsumed }: Config,
  { log, metrics, incarnation }: ImageDeps,
): Promise<ImageDirectory> {
  const path = join(directory.path, "images");
  const counts = metrics.countImages();
  const { observer } = counts;
  const images = await ImageDirectory.open({
    path,
    statesPath: join(directory.path, "devices.json"),
    incarnation,
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

async function openDirectory(path: string | undefined, log: Logger): Promise<DataDirectory | undefined> {
  if (path === undefined) return undefined;
  const directory = await DataDirectory.open(path);
  const danger = await writableByOthers("data directory", directory.path).catch(() => undefined);
  if (danger !== undefined) log.warn(danger);
  return directory;
}

async function closeDirectory(directory: DataDirectory, log: Logger): Promise<void> {
  const closing = directory
    .close()
    .catch((error: unknown) => log.warn({ err: error }, "the data directory could not be given up"));
  if (await settledWithin(systemClock, closing, SHUTDOWN_FILES_MS)) return;
  log.warn({ deadlineMs: SHUTDOWN_FILES_MS }, "the data directory was not given up by the deadline");
}
