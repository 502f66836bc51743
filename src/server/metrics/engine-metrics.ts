/** Work on the engines: how much was submitted, how it ended, and how often an engine had to be reset. */
import { Counter, type OpenMetricsContentType, type Registry } from "prom-client";

export class EngineMetrics {
  readonly #completed;
  readonly #failed;
  readonly #resets;

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
  }

  addDevice(device: string, engines: readonly string[]): void {
    for (const engine of engines) {
      this.#completed.inc({ device, engine }, 0);
      this.#failed.inc({ device, engine }, 0);
      this.#resets.inc({ device, engine }, 0);
    }
  }

  jobEnded(device: string, engine: string, completed: boolean): void {
    (completed ? this.#completed : this.#failed).inc({ device, engine });
  }

  engineReset(device: string, engine: string): void {
    this.#resets.inc({ device, engine });
  }
}
