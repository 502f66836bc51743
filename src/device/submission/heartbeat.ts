/**
 * The heartbeat of one engine (drm/i915 intel_engine_heartbeat.c): while it has work, a pulse every so often,
 * first at the lowest priority, then ever higher. What lets go of the engine when asked survives; what does
 * not is hung.
 */
import type { Clock, Timer } from "../clock.ts";
import { HEARTBEAT_INTERVAL_MS } from "../limits.ts";
import type { RingContext, RingWork } from "./ring-context.ts";

/**
 * Priorities of a pulse, in the order in which they are tried: below all work, with it, above it, above all.
 */
const ESCALATION = [-1000, 0, 500, 2000] as const;

/** A pulse is a breadcrumb and nothing else. */
const PULSE: RingWork = { bytes: 0, emit: () => 0, done: () => true };

export interface HeartbeatOptions {
  readonly context: RingContext;
  readonly clock: Clock;
  /** The engine did not come to the pulse even at the highest priority. */
  readonly onHung: () => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  /** Position in ESCALATION of the pulse that is out; undefined when none is. */
  #level: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** There is work: beats begin unless they go on already. A parked engine has none, so it cannot be hung. */
  wake(): void {
    this.#timer ??= this.#options.clock.startTimer(HEARTBEAT_INTERVAL_MS, () => this.#beat());
  }

  /** Stops beating, across a reset or a sleep: device time does not count then. */
  park(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#level = undefined;
  }

  #beat(): void {
    this.#timer = undefined;
    const { context, onHung } = this.#options;
    if (this.#level === undefined) {
      // Nobody but an earlier pulse would be there to wait for.
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
