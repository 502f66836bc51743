/**
 * The heartbeat of one engine (drm/i915 intel_engine_heartbeat.c). While the engine has work it gets regular
 * pulses, first at the lowest priority and then at ever higher ones. Work that yields the engine survives;
 * work that does not is hung.
 */
import type { Clock, Timer } from "../clock.ts";
import { HEARTBEAT_INTERVAL_MS } from "../limits.ts";
import type { RingContext, RingWork } from "./ring-context.ts";

/**
 * Priorities of a pulse in the order in which they are tried: below all work, equal to it, above it, above
 * everything.
 */
const ESCALATION = [-1000, 0, 500, 2000] as const;

/** A pulse is only a breadcrumb. */
const PULSE: RingWork = { bytes: 0, emit: () => 0, done: () => true };

export interface HeartbeatOptions {
  readonly context: RingContext;
  readonly clock: Clock;
  /** The engine did not reach the pulse even at the highest priority. */
  readonly onHung: () => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  /** Position in ESCALATION of the pulse in flight; undefined without one. */
  #level: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** There is work, so pulses begin unless they already run. A parked engine has no work and cannot hang. */
  wake(): void {
    this.#timer ??= this.#options.clock.startTimer(HEARTBEAT_INTERVAL_MS, () => this.#beat());
  }

  /** Stops the pulses during a reset or a sleep, when device time does not count. */
  park(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#level = undefined;
  }

  #beat(): void {
    this.#timer = undefined;
    const { context, onHung } = this.#options;
    if (this.#level === undefined) {
      // The queue is empty, so a pulse would have no other work to wait for.
      if (context.queue.depth === 0) return;
      this.#level = 0;
      const pulse = context.submit(PULSE, ESCALATION[0]);
      pulse.onSettled(() => {
        this.#level = undefined;
      });
    } else if (this.#level < ESCALATION.length - 1) {
      this.#level++;
      context.queue.raise(context.contextId, ESCALATION[this.#level]);
    } else {
      onHung();
      return;
    }
    this.wake();
  }
}
