/** Snapshots: their number and memory, and what was taken and restored. */
import { Counter, Gauge, type OpenMetricsContentType, type Registry } from "prom-client";
import type { SnapshotStore } from "../../device/mod.ts";

export class SnapshotMetrics {
  readonly #gauges;
  readonly #taken: Counter<"device">;
  readonly #copied: Counter<"device">;
  readonly #store: SnapshotStore;

  constructor(registry: Registry<OpenMetricsContentType>, store: SnapshotStore) {
    const registers = [registry];
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
    this.#store = store;
    this.#gauges = {
      snapshots: gauge("torpor_snapshots", "Snapshots of all devices."),
      used: gauge("torpor_snapshot_memory_used_bytes", "Memory that snapshots take, their records included."),
      size: gauge("torpor_snapshot_memory_bytes", "Memory that snapshots can take."),
    };
    this.#taken = new Counter({
      name: "torpor_snapshots_taken_total",
      help: "Snapshots that were taken of a device.",
      labelNames: ["device"],
      registers,
    });
    this.#copied = new Counter({
      name: "torpor_snapshot_copied_bytes_total",
      help: "Bytes that were copied for snapshots of a device. Restores count in torpor_restore_bytes_total.",
      labelNames: ["device"],
      registers,
    });
  }

  /** Sets the counters of a device to 0. */
  addDevice(device: string): void {
    this.#taken.inc({ device }, 0);
    this.#copied.inc({ device }, 0);
  }

  taken(device: string, copiedBytes: number): void {
    this.#taken.inc({ device });
    this.#copied.inc({ device }, copiedBytes);
  }

  /** Fills the gauges again. */
  refresh(): void {
    const { count, pool } = this.#store;
    this.#gauges.snapshots.set(count);
    this.#gauges.used.set(pool.usedBytes);
    this.#gauges.size.set(pool.sizeBytes);
  }
}
