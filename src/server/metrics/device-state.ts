/**
 * State gauges, and counters that devices keep themselves. Each scrape asks the devices with metadata
 * commands, which never wait and never wake a device. Nothing is stored between scrapes, so nothing can
 * become stale.
 */
import { Gauge, type OpenMetricsContentType, type Registry } from "prom-client";
import type {
  DeviceResource,
  EngineResource,
  PowerState,
  RegionResource,
  RuntimePmResource,
  SleepState,
} from "../../device/resource.ts";
import type { DeviceHandle } from "../api/devices.ts";
import { HEALTHS, healthOf } from "./device-health.ts";
import { secondsOf } from "./seconds.ts";
import { buildGauges } from "./state-gauges.ts";

/** The part of one device that a scrape shows. */
export interface DeviceSnapshot {
  readonly device: DeviceResource;
  readonly regions: readonly RegionResource[];
  /** @default none */
  readonly engines?: readonly EngineResource[];
  /** @default not shown */
  readonly runtimePm?: RuntimePmResource;
}

export type DeviceProbe = () => Promise<DeviceSnapshot>;

const POWER_STATES: readonly PowerState[] = ["ACTIVE", "SUSPENDING", "SUSPENDED", "RESUMING", "FAILED"];
const TARGETS: readonly SleepState[] = ["S2IDLE", "S3", "S4"];

/** Queries a device with commands that are legal in every state. */
export async function probeDevice(handle: DeviceHandle): Promise<DeviceSnapshot> {
  const [device, regions, engines, runtimePm] = await Promise.all([
    handle.execute({ type: "getDevice" }),
    handle.execute({ type: "listRegions" }),
    handle.execute({ type: "listEngines" }),
    handle.execute({ type: "getRuntimePm" }),
  ]);
  return { device, regions, engines, runtimePm };
}

export class DeviceState {
  readonly #probes: DeviceProbe[] = [];
  readonly #gauges;
  readonly #inProgress;

  constructor(registry: Registry<OpenMetricsContentType>) {
    this.#gauges = buildGauges(registry);
    this.#inProgress = new Gauge({
      name: "torpor_transitions_in_progress",
      help: "Devices that are suspending or resuming now.",
      labelNames: ["kind"],
      registers: [registry],
    });
  }

  addDevice(probe: DeviceProbe): void {
    this.#probes.push(probe);
  }

  /** Fills the gauges again. A device that does not answer has no series in this scrape. */
  async refresh(): Promise<void> {
    const answers = await Promise.allSettled(this.#probes.map((probe) => probe()));
    const snapshots = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    for (const gauge of Object.values(this.#gauges)) gauge.reset();
    for (const snapshot of snapshots) this.#show(snapshot);
    const count = (state: PowerState) => snapshots.filter(({ device }) => device.powerState === state).length;
    this.#inProgress.set({ kind: "suspend" }, count("SUSPENDING"));
    this.#inProgress.set({ kind: "resume" }, count("RESUMING"));
  }

  #show({ device: resource, regions, engines = [], runtimePm }: DeviceSnapshot): void {
    const device = resource.name;
    this.#gauges.info.set({ device, uuid: resource.uid, model: resource.model }, 1);
    for (const state of POWER_STATES) {
      this.#gauges.powerState.set({ device, state }, state === resource.powerState ? 1 : 0);
    }
    for (const target of TARGETS) {
      this.#gauges.powerTarget.set({ device, target }, target === resource.sleepState ? 1 : 0);
    }
    const current = healthOf(resource, engines);
    for (const health of HEALTHS) this.#gauges.health.set({ device, health }, health === current ? 1 : 0);
    if (resource.swap !== undefined) {
      this.#gauges.swapSize.set({ device }, resource.swap.sizeBytes);
      this.#gauges.swapUsed.set({ device }, resource.swap.usedBytes);
    }
    if (runtimePm !== undefined) {
      this.#gauges.runtimeSuspended.inc({ device }, secondsOf(runtimePm.suspendedNs));
    }
    this.#gauges.stateSince.set({ device }, secondsOf(resource.stateSinceNs));
    const backupBytes = regions.reduce((sum, region) => sum + region.backupBytes, 0);
    this.#gauges.backupHeld.set({ device }, backupBytes);
    for (const region of regions) {
      const labels = { device, memory: region.id };
      this.#gauges.size.set(labels, region.sizeBytes);
      this.#gauges.used.set(labels, region.usedBytes);
      this.#gauges.pinned.set(labels, region.pinnedBytes);
      this.#gauges.largestFree.set(labels, region.largestFreeBytes);
      this.#gauges.visible.set(labels, region.visibleBytes);
      this.#gauges.visibleAvailable.set(labels, region.visibleAvailableBytes);
      const { objectCount, pinnedObjectCount } = region;
      this.#gauges.objects.set({ ...labels, pinned: "true" }, pinnedObjectCount);
      this.#gauges.objects.set({ ...labels, pinned: "false" }, objectCount - pinnedObjectCount);
    }
    for (const engine of engines) this.#showEngine(resource, engine);
  }

  #showEngine({ name: device, powerState }: DeviceResource, engine: EngineResource): void {
    const labels = { device, engine: engine.name };
    this.#gauges.submitted.inc(labels, engine.submittedJobs);
    // Read from a running engine, whose clock may be slightly ahead of the reader's.
    this.#gauges.busy.inc(labels, Math.max(0, secondsOf(engine.busyNs)));
    // An engine without power has no queue. 0 would say that it is idle.
    if (powerState !== "SUSPENDED") this.#gauges.queueDepth.set(labels, engine.queueDepth);
  }
}
