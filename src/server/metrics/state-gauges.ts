/** The gauges of a device's state, and the counters that devices keep themselves. */
import { Counter, Gauge, type OpenMetricsContentType, type Registry } from "prom-client";

/** Registers all of them in `registry`. */
export function buildGauges(registry: Registry<OpenMetricsContentType>) {
  return { ...deviceGauges(registry), ...memoryGauges(registry), ...engineGauges(registry) };
}

function memoryGauges(registry: Registry<OpenMetricsContentType>) {
  const registers = [registry];
  const memory = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["device", "memory"], registers });
  return {
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
  };
}

function deviceGauges(registry: Registry<OpenMetricsContentType>) {
  const registers = [registry];
  const device = (name: string, help: string) => new Gauge({ name, help, labelNames: ["device"], registers });
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
    stateSince: device(
      "torpor_device_state_since_timestamp_seconds",
      "When the device entered its power state, in Unix time.",
    ),
    health: new Gauge({
      name: "torpor_device_health",
      help: "1 for the health that the device is in, 0 for the others.",
      labelNames: ["device", "health"],
      registers,
    }),
    swapSize: device("torpor_swap_size_bytes", "Size of the swap space; absent where there is none."),
    swapUsed: device("torpor_swap_used_bytes", "Bytes of the swap space in use; absent where there is none."),
    runtimeSuspended: new Counter({
      name: "torpor_runtime_suspended_seconds_total",
      help: "Time spent runtime-suspended.",
      labelNames: ["device"],
      registers,
    }),
    backupHeld: device("torpor_backup_held_bytes", "Bytes that backups hold; 0 while the device is ACTIVE."),
  };
}

function engineGauges(registry: Registry<OpenMetricsContentType>) {
  const registers = [registry];
  return {
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
  };
}
