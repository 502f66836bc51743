/** Puts one daemon together: its devices, metrics and servers. For main and for tests. */
import { setImmediate } from "node:timers/promises";
import type { Device } from "../../device/mod.ts";
import { refuseOpenAddresses } from "../auth/security.ts";
import type { Config } from "../config/config.ts";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_HIBERNATE_MS } from "../daemon-limits.ts";
import type { DaemonImages } from "../machine/image-catalogue.ts";
import { probeDevice } from "../metrics/device-state.ts";
import { type DaemonParts, openParts, type PartsOptions } from "./daemon-parts.ts";
import { openImages } from "./data-files.ts";
import { boot } from "./device-boot.ts";
import type { Servers } from "./drain.ts";
import { restoreDevices } from "./restore-devices.ts";
import { type ShutdownTimes, type StopOutcome, type StopProgress, shutDown } from "./shutdown.ts";
import type { Addresses, WiresDeps } from "./wires.ts";

export interface RunningDaemon {
  readonly addresses: Addresses;
  /** By name. */
  readonly devices: ReadonlyMap<string, Device>;
  /**
   * Checks now whether tokens or certificates have changed. By itself the daemon checks every few seconds.
   * Never rejects.
   */
  reload(): Promise<void>;
  /** Lets running calls finish, hibernates the devices if configured, and closes them. Never rejects. */
  stop(): Promise<StopOutcome>;
  /** Names of devices that should be hibernated, and whose state would be lost if the process ended now. */
  unsaved(): readonly string[];
}

export interface DaemonOptions extends PartsOptions {
  /** How long running calls may continue after `stop`. @default SHUTDOWN_DRAIN_MS */
  readonly drainMs?: number;
  /** How long hibernation may take after that. @default SHUTDOWN_HIBERNATE_MS */
  readonly hibernateMs?: number;
}

/**
 * Boots the devices, listens, and resumes the devices that have images. If anything fails, stops whatever it
 * started.
 * @throws ConfigError if the configuration cannot be used; Error if an address or the data directory is
 * unavailable.
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
      devices: Object.assign(devices, { failpoints: parts.failpoints, images, snapshots: parts.snapshots }),
      tracer: tracing?.calls,
      version: build.version,
      isReady: () => ready,
    };
    // The engine threads take a while to start, about as long as the wires.
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

/** Boots every configured device, and returns those that must be woken before the daemon is ready. */
async function bootDevices(
  config: Config,
  parts: DaemonParts,
  images: DaemonImages | undefined,
): Promise<readonly Device[]> {
  const { log, metrics, engineForm, failpoints, incarnation, tracing, events, devices, directory, machine } =
    parts;
  const { swapBytes } = config;
  const swap = swapBytes > 0 ? await directory?.openSwap(config.devices, swapBytes) : undefined;
  const waking: Device[] = [];
  for (const [index, name] of config.devices.entries()) {
    const sinks = { trace: tracing?.traceDevice(name), tell: events.sinkOf(name) };
    const { snapshots } = parts;
    const deps = { log, metrics, engineForm, failpoints, images, incarnation, machine, snapshots, ...sinks };
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

/** Stops a daemon once, however often it is asked, and knows what is not saved yet. */
function stopper(servers: Servers, parts: DaemonParts, times: ShutdownTimes) {
  const { devices, log, events, failpoints, close } = parts;
  const progress: StopProgress = { unsaved: times.hibernateMs === undefined ? [] : [...devices.keys()] };
  const release = (): void => {
    events.close();
    // Work that hangs at a failpoint would keep the daemon from stopping.
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
  // One turn later the engine threads are starting, and this keeps the main thread busy meanwhile.
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

/** Like Promise.all for two, but it rejects only after both have settled, so that nothing is left running. */
async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<readonly [A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}
