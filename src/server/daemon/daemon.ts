/** One daemon: its devices, metrics and servers, put together. For main and for tests. */
import { setImmediate } from "node:timers/promises";
import type { Device } from "../../device/mod.ts";
import { refuseOpenAddresses } from "../auth/security.ts";
import type { Config } from "../config/config.ts";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_HIBERNATE_MS } from "../daemon-limits.ts";
import type { ImageDirectory } from "../machine/image-directory.ts";
import { probeDevice } from "../metrics/device-state.ts";
import { openImages } from "./data-files.ts";
import { boot } from "./device-boot.ts";
import type { Servers } from "./drain.ts";
import { type DaemonParts, openParts, type PartsOptions } from "./parts.ts";
import { restoreDevices } from "./restore.ts";
import { type ShutdownTimes, type StopOutcome, type StopProgress, shutDown } from "./shutdown.ts";
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

export interface DaemonOptions extends PartsOptions {
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
  const parts = await openParts(config, options);
  const { devices, log, build, tracing, security } = parts;
  let ready = false;
  try {
    const images = await openImages(config, parts);
    const wiresDeps: WiresDeps = {
      ...parts,
      devices: Object.assign(devices, { failpoints: parts.failpoints, images }),
      tracer: tracing?.calls,
      version: build.version,
      isReady: () => ready,
    };
    // The threads of the engines take a while to start, and the wires take as long.
    const [waking, { servers, open }] = await both(
      bootDevices(config, parts, images),
      loadWires(config, wiresDeps),
    );
    const addresses = await open();
    await restoreDevices(waking, log);
    ready = true;
    servers.grpc.setServing(true);
    const { stop, unsaved } = stopper(servers, parts, stopTimes(config, options));
    return {
      addresses,
      devices,
      reload: () => security.reload(),
      stop() {
        ready = false;
        return stop();
      },
      unsaved,
    };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

/** Boots every device of the configuration, and answers those to be woken before the daemon is ready. */
async function bootDevices(
  config: Config,
  parts: DaemonParts,
  images: ImageDirectory | undefined,
): Promise<readonly Device[]> {
  const { log, metrics, engineForm, failpoints, incarnation, tracing, events, devices, directory } = parts;
  const { swapBytes } = config;
  const swap = swapBytes > 0 ? await directory?.openSwap(config.devices, swapBytes) : undefined;
  const waking: Device[] = [];
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
  if (others.length > 0) log.info({ images: others }, "images that belong to no device here are left alone");
  return waking;
}

function stopTimes({ onShutdown }: Config, options: DaemonOptions): ShutdownTimes {
  const hibernateMs = options.hibernateMs ?? SHUTDOWN_HIBERNATE_MS;
  return {
    drainMs: options.drainMs ?? SHUTDOWN_DRAIN_MS,
    hibernateMs: onShutdown === "hibernate" ? hibernateMs : undefined,
  };
}

/** The one stop of a daemon, however often it is asked for, and what it has not saved yet. */
function stopper(servers: Servers, parts: DaemonParts, times: ShutdownTimes) {
  const { devices, log, events, failpoints, close } = parts;
  const progress: StopProgress = { unsaved: times.hibernateMs === undefined ? [] : [...devices.keys()] };
  const release = (): void => {
    events.close();
    // What hangs at one would keep the daemon from stopping.
    failpoints?.reset();
  };
  let stopped: Promise<StopOutcome> | undefined;
  return {
    stop(): Promise<StopOutcome> {
      stopped ??= shutDown({ servers, devices, log, release, close }, times, progress);
      return stopped;
    },
    unsaved: () => progress.unsaved,
  };
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
