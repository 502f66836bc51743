/**
 * Gauges that are state, and counters that the device keeps: asked of the devices at each scrape, by metadata commands, which never wait and never wake a
 * device. Nothing is remembered between scrapes, so nothing can go stale.
 */
import { Counter, Gauge, type OpenMetricsContentType, type Registry } from "prom-client";
import type {
  DeviceResource,
  EngineResource,
  PowerState,
  RegionResource,
  SleepState,
} from "../../device/resource.ts";
import type { DeviceHandle } from "../devices.ts";
import { secondsOf } from "./seconds.ts";

/** What a scrape shows of one device. */
export interface DeviceSnapshot {
  readonly device: DeviceResource;
  readonly regions: readonly RegionResource[];
  /** @default none */
  readonly engines?: readonly EngineResource[];
}

export type DeviceProbe = () => Promise<DeviceSnapshot>;

const POWER_STATES: readonly PowerState[] = ["ACTIVE", "SUSPENDING", "SUSPENDED", "RESUMING", "FAILED"];
const TARGETS: readonly SleepState[] = ["S2IDLE", "S3", "S4"];

/** Asks a device by commands that are legal in every state. */
export async function probeDevice(handle: DeviceHandle): Promise<DeviceSnapshot> {
  const [device, regions, engines] = await Promise.all([
    handle.execute({ type: "getDevice" }),
    handle.execute({ type: "listRegions" }),
    handle.execute({ type: "listEngines" }),
  ]);
  return { device, regions, engines };
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

  /** Fills the gauges anew. A device that does not answer has no series in this scrape. */
  async refresh(): Promise<void> {
    const answers = await Promise.allSettled(this.#probes.map((probe) => probe()));
    const snapshots = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    for (const gauge of Object.values(this.#gauges)) gauge.reset();
    for (const snapshot of snapshots) this.#show(snapshot);
    const count = (state: PowerState) => snapshots.filter(({ device }) => device.powerState === state).length;
    this.#inProgress.set({ kind: "suspend" }, count("SUSPENDING"));
    this.#inProgress.set({ kind: "resume" }, count("RESUMING"));
  }

  #show({ device: resource, regions, engines = [] }: DeviceSnapshot): void {
    const device = resource.name;
    this.#gauges.info.set({ device, uuid: resource.uid, model: resource.model }, 1);
    for (const state of POWER_STATES) {
      this.#gauges.powerState.set({ device, state }, state === resource.powerState ? 1 : 0);
    }
    for (const target of TARGETS) {
      this.#gauges.powerTarget.set({ device, target }, target === resource.sleepState ? 1 : 0);
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
    // Read from a running engine: its clock may be a moment ahead of the reader's.
    this.#gauges.busy.inc(labels, Math.max(0, secondsOf(engine.busyNs)));
    // An engine without power has no queue; 0 would say that it is idle.
    if (powerState !== "SUSPENDED") this.#gauges.queueDepth.set(labels, engine.queueDepth);
  }
}

function buildGauges(registry: Registry<OpenMetricsContentType>) {
  const registers = [registry];
  const memory = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["device", "memory"], registers });
  return {
    info: new Gauge({
      name: "torpor_device_info",
      help: "Always 1; join on device to get at the labels.",
      labelNames: ["device", "uuid", "model"],
      registers,
    }),
    powerState: new Gauge({
      name: "torpor_device_power_state",
      help: "1 for the power state that the device is in, 0 for the others.",
      labelNames: ["device", "state"],
      registers,
    }),
    powerTarget: new Gauge({
      name: "torpor_device_power_target",
      help: "1 for the sleep state that the device is in, or moving to or from.",
      labelNames: ["device", "target"],
      registers,
    }),
    stateSince: new Gauge({
      name: "torpor_device_state_since_timestamp_seconds",
      help: "When the device entered its power state, in Unix time.",
      labelNames: ["device"],
      registers,
    }),
    size: memory("torpor_memory_size_bytes", "Size of a memory."),
    used: memory("torpor_memory_used_bytes", "Bytes of a memory in use."),
    pinned: memory("torpor_memory_pinned_bytes", "Bytes of a memory that cannot be evicted because of pins."),
    largestFree: memory("torpor_memory_largest_free_bytes", "Largest free block of a memory."),
    visible: memory("torpor_memory_visible_bytes", "Bytes of a memory that the CPU can reach."),
    visibleAvailable: memory(
      "torpor_memory_visible_available_bytes",
      "Bytes of a memory that the CPU can reach and nobody uses.",
    ),
    objects: new Gauge({
      name: "torpor_objects",
      help: "Objects that have their bytes in a memory.",
      labelNames: ["device", "memory", "pinned"],
      registers,
    }),
    queueDepth: new Gauge({
      name: "torpor_job_queue_depth",
      help: "Submissions that wait for an engine or run on it; absent while the device is SUSPENDED.",
      labelNames: ["device", "engine"],
      registers,
    }),
    submitted: new Counter({
      name: "torpor_jobs_submitted_total",
      help: "Requests of clients that were accepted.",
      labelNames: ["device", "engine"],
      registers,
    }),
    busy: new Counter({
      name: "torpor_engine_busy_seconds_total",
      help: "Time that an engine has executed, for clients and for the device itself.",
      labelNames: ["device", "engine"],
      registers,
    }),
    backupHeld: new Gauge({
      name: "torpor_backup_held_bytes",
      help: "Bytes that backups hold; 0 while the device is ACTIVE.",
      labelNames: ["device"],
      registers,
    }),
  };
}
