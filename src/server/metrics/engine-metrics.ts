/** Work on the engines: how much was submitted, how it ended, and how often an engine had to be reset. */
import { Counter, Histogram, type OpenMetricsContentType, type Registry } from "prom-client";
import type { DeviceEvent } from "../../device/events.ts";
import { secondsOf, WAIT_BUCKETS_SECONDS } from "./seconds.ts";

type JobEnd = Extract<DeviceEvent, { type: "jobEnded" }>;

export class EngineMetrics {
  readonly #engines = new Set<string>();
  readonly #completed;
  readonly #failed;
  readonly #resets;
  readonly #wait;

  constructor(registry: Registry<OpenMetricsContentType>) {
    const registers = [registry];
    this.#completed = new Counter({
      name: "torpor_jobs_completed_total",
      help: "Requests of clients that ended without an error.",
      labelNames: ["device", "engine"],
      registers,
    });
    this.#failed = new Counter({
      name: "torpor_jobs_failed_total",
      help: "Requests of clients that ended with an error.",
      labelNames: ["device", "engine"],
      registers,
    });
    this.#resets = new Counter({
      name: "torpor_engine_resets_total",
      help: "Times that an engine had to be reset.",
      labelNames: ["device", "engine"],
      registers,
    });
    this.#wait = new Histogram({
      name: "torpor_job_wait_seconds",
      help: "Time from the acceptance of a client's request until it went into its context's ring.",
      labelNames: ["engine"],
      buckets: WAIT_BUCKETS_SECONDS,
      registers,
    });
  }

  addDevice(device: string, engines: readonly string[]): void {
    for (const engine of engines) {
      this.#completed.inc({ device, engine }, 0);
      this.#failed.inc({ device, engine }, 0);
      this.#resets.inc({ device, engine }, 0);
      // Shared by all devices, so do not reset what another device has counted.
      if (!this.#engines.has(engine)) this.#wait.zero({ engine });
      this.#engines.add(engine);
    }
  }

  jobEnded(device: string, { engine, completed, waitNs }: JobEnd): void {
    (completed ? this.#completed : this.#failed).inc({ device, engine });
    if (waitNs !== undefined) this.#wait.observe({ engine }, secondsOf(waitNs));
  }

  engineReset(device: string, engine: string): void {
    this.#resets.inc({ device, engine });
  }
}
