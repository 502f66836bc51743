/** Streams of events: how many are open, and how many the daemon had to end. */
import { Counter, Gauge, type OpenMetricsContentType, type Registry } from "prom-client";
import type { EventObserver } from "../events/event-hub.ts";

export class EventMetrics implements EventObserver {
  readonly #watchers;
  readonly #dropped;

  constructor(registry: Registry<OpenMetricsContentType>) {
    const registers = [registry];
    this.#watchers = new Gauge({
      name: "torpor_event_watchers",
      help: "Streams of events that are open.",
      registers,
    });
    this.#dropped = new Counter({
      name: "torpor_event_streams_dropped_total",
      help: "Streams of events that ended because their client read too slowly.",
      registers,
    });
  }

  onWatchers(count: number): void {
    this.#watchers.set(count);
  }

  onDropped(): void {
    this.#dropped.inc();
  }
}
