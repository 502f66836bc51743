/**
 * The record of one transition: its phases, the copies of each engine and of the CPU, and other events. This
 * file only collects; trace-json.ts writes the file.
 */
import type { Clock } from "../clock.ts";
import type { DeviceEvent } from "../events.ts";
import { TRACE_EVENTS_MAX } from "../limits.ts";
import type { Listeners } from "../listeners.ts";
import type { CopyRecord, CopyWatch } from "../memory/copy-watch.ts";
import type { PhaseName, PhaseRecord } from "../resource.ts";

export interface TracePhase {
  readonly name: PhaseName;
  readonly startNs: bigint;
  /** Undefined while it runs. */
  record: PhaseRecord | undefined;
}

/** Something that happened at one moment. */
export interface TraceInstant {
  readonly name: string;
  readonly timeNs: bigint;
  readonly details: Readonly<Record<string, string>>;
}

export class Trace {
  /** All times are monotonic. Nanoseconds. */
  readonly startNs: bigint;
  readonly phases: TracePhase[] = [];
  readonly #clock: Clock;
  #copies: CopyRecord[] = [];
  readonly #instants: TraceInstant[] = [];
  #dropped = 0;
  #detach: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
    this.startNs = clock.monotonicNs();
  }

  get copies(): readonly CopyRecord[] {
    return this.#copies;
  }

  get instants(): readonly TraceInstant[] {
    return this.#instants;
  }

  /** Copies and moments that did not fit, or were dropped. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Listens to copies and to the device's events until `detach`. */
  attach(copies: CopyWatch, events: Listeners<[event: DeviceEvent]>): void {
    const forgetCopies = copies.ended.on((copy) => this.#keep(this.#copies, copy));
    const forgetEvents = events.on((event) => {
      if (event.type === "wedged" && event.wedged) this.happened("wedged", { why: event.why });
    });
    this.#detach = () => {
      forgetCopies();
      forgetEvents();
    };
  }

  detach(): void {
    this.#detach();
    this.#detach = () => {};
  }

  phaseBegan(name: PhaseName): void {
    this.phases.push({ name, startNs: this.#clock.monotonicNs(), record: undefined });
  }

  phaseEnded(record: PhaseRecord): void {
    const running = this.phases.at(-1);
    if (running !== undefined) running.record = record;
  }

  happened(name: string, details: Readonly<Record<string, string>> = {}): void {
    this.#keep(this.#instants, { name, timeNs: this.#clock.monotonicNs(), details });
  }

  /** Drops the copies, which are nearly all of it, for transitions that are long past. */
  forgetCopies(): void {
    this.#dropped += this.#copies.length;
    this.#copies = [];
  }

  #keep<T>(events: T[], event: T): void {
    if (this.#copies.length + this.#instants.length < TRACE_EVENTS_MAX) events.push(event);
    else this.#dropped++;
  }
}
