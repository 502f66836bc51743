/** Failpoints: how often each fired. Only a daemon with --enable-faults has this metric. */
import { Counter, type OpenMetricsContentType, type Registry } from "prom-client";

export class FaultMetrics {
  readonly #hits;

  /** @param names the names of all failpoints. */
  constructor(registry: Registry<OpenMetricsContentType>, names: readonly string[]) {
    this.#hits = new Counter({
      name: "torpor_failpoint_hits_total",
      help: "Times that a failpoint fired.",
      labelNames: ["failpoint"],
      registers: [registry],
    });
    for (const failpoint of names) this.#hits.inc({ failpoint }, 0);
  }

  hit(failpoint: string): void {
    this.#hits.inc({ failpoint });
  }
}
