/** Allocations: how many succeeded, and why the others failed. */
import { Counter, type OpenMetricsContentType, type Registry } from "prom-client";
import type { ErrorReason } from "../../device/errors.ts";

/** The errors of a full region. Others appear when they occur. */
const USUAL_REASONS: readonly ErrorReason[] = [
  "REGION_FULL",
  "SYSTEM_MEMORY_EXHAUSTED",
  "MACHINE_MEMORY_EXHAUSTED",
];

export class AllocationMetrics {
  readonly #allocations;
  readonly #failures;

  constructor(registry: Registry<OpenMetricsContentType>) {
    this.#allocations = new Counter({
      name: "torpor_allocations_total",
      help: "Times that an object got its bytes in a memory.",
      labelNames: ["device", "memory"],
      registers: [registry],
    });
    this.#failures = new Counter({
      name: "torpor_allocation_failures_total",
      help: "Times that an object got no bytes in a memory, eviction included.",
      labelNames: ["device", "memory", "reason"],
      registers: [registry],
    });
  }

  addDevice(device: string, memories: readonly string[]): void {
    for (const memory of memories) {
      this.#allocations.inc({ device, memory }, 0);
      for (const reason of USUAL_REASONS) this.#failures.inc({ device, memory, reason }, 0);
    }
  }

  allocated(device: string, memory: string, objects: number): void {
    this.#allocations.inc({ device, memory }, objects);
  }

  failed(device: string, memory: string, reason: string): void {
    this.#failures.inc({ device, memory, reason });
  }
}
