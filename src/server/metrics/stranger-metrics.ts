/** Services that are open to everybody: connections, calls without credentials, and refusals. */
import { Counter, Gauge, type OpenMetricsContentType, type Registry } from "prom-client";
import type { ConnectionEnd, StrangerObserver, TurnedAway, Wire } from "../gate/observer.ts";

const WIRES: readonly Wire[] = ["rest", "grpc"];
const ENDS: readonly ConnectionEnd[] = ["broken", "crowd", "flood", "full"];
const REFUSALS: readonly TurnedAway[] = ["compressed", "metadata", "path", "size", "room"];

export class StrangerMetrics implements Required<StrangerObserver> {
  readonly #connections;
  readonly #unknown;
  readonly #ended;
  readonly #unanswered;
  readonly #openCalls;
  readonly #watches;
  readonly #turnedAway;
  readonly #dropped;

  constructor(registry: Registry<OpenMetricsContentType>) {
    const registers = [registry];
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
    this.#connections = new Gauge({
      name: "torpor_connections",
      help: "Connections that are open, handshakes included.",
      labelNames: ["wire"],
      registers,
    });
    this.#unknown = new Gauge({
      name: "torpor_connections_unknown",
      help: "Connections on which no call was let in yet.",
      labelNames: ["wire"],
      registers,
    });
    this.#ended = new Counter({
      name: "torpor_connections_ended_total",
      help: "Connections that the daemon ended to keep within its bounds.",
      labelNames: ["wire", "why"],
      registers,
    });
    this.#unanswered = new Counter({
      name: "torpor_calls_unanswered_total",
      help: "Calls that got no answer, on connections that made too many before anybody was known on them.",
      labelNames: ["wire"],
      registers,
    });
    this.#openCalls = gauge(
      "torpor_open_calls",
      "Calls in progress that need no credentials, watches excepted.",
    );
    this.#watches = gauge("torpor_health_watches", "Watches of grpc.health.v1 that are open.");
    this.#turnedAway = new Counter({
      name: "torpor_calls_turned_away_total",
      help: "gRPC calls that were refused before anybody looked at who makes them.",
      labelNames: ["why"],
      registers,
    });
    this.#dropped = new Counter({
      name: "torpor_log_lines_dropped_total",
      help: "Lines that are not in the log.",
      labelNames: ["why"],
      registers,
    });
    for (const wire of WIRES) for (const why of ENDS) this.#ended.inc({ wire, why }, 0);
    for (const wire of WIRES) this.#unanswered.inc({ wire }, 0);
    for (const why of REFUSALS) this.#turnedAway.inc({ why }, 0);
    for (const why of ["throttled", "reader"]) this.#dropped.inc({ why }, 0);
  }

  onConnections(wire: Wire, all: number, unknown: number): void {
    this.#connections.set({ wire }, all);
    this.#unknown.set({ wire }, unknown);
  }

  onConnectionEnd(wire: Wire, why: ConnectionEnd): void {
    this.#ended.inc({ wire, why });
  }

  onCallUnanswered(wire: Wire): void {
    this.#unanswered.inc({ wire });
  }

  onOpenCalls(count: number): void {
    this.#openCalls.set(count);
  }

  onHealthWatches(count: number): void {
    this.#watches.set(count);
  }

  onTurnedAway(why: TurnedAway): void {
    this.#turnedAway.inc({ why });
  }

  onLineThrottled(): void {
    this.#dropped.inc({ why: "throttled" });
  }

  /** Lines that the reader of the log did not accept. */
  linesLost(lines: number): void {
    this.#dropped.inc({ why: "reader" }, lines);
  }
}
