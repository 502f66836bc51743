/**
 * Virtual time: nothing happens until somebody drives the clock, and then timers fire in order without delay.
 * A whole device under a virtual clock is deterministic and as fast as the machine.
 */
import type { Clock, Timer } from "./clock.ts";

interface Pending {
  readonly dueNs: bigint;
  readonly order: number;
  readonly callback: () => void;
}

export interface VirtualClockOptions {
  /** Runs every promise that is ready. Handed in, because this depends on the host. */
  readonly settle: () => Promise<void>;
  /** Wall time at the start. Nanoseconds since the Unix epoch. @default 2026-01-01T00:00:00Z */
  readonly startNs?: bigint;
}

const START_NS = 1_767_225_600_000_000_000n;

export class VirtualClock implements Clock {
  readonly #settle: () => Promise<void>;
  readonly #startNs: bigint;
  #elapsedNs = 0n;
  #order = 0;
  #pending: Pending[] = [];

  constructor(options: VirtualClockOptions) {
    this.#settle = options.settle;
    this.#startNs = options.startNs ?? START_NS;
  }

  wallNs(): bigint {
    return this.#startNs + this.#elapsedNs;
  }

  monotonicNs(): bigint {
    return this.#elapsedNs;
  }

  startTimer(delayMs: number, callback: () => void): Timer {
    const dueNs = this.#elapsedNs + BigInt(Math.max(0, Math.round(delayMs * 1e6)));
    const pending: Pending = { dueNs, order: this.#order++, callback };
    this.#insert(pending);
    return {
      cancel: () => {
        const at = this.#pending.indexOf(pending);
        if (at >= 0) this.#pending.splice(at, 1);
      },
    };
  }

  yield(): Promise<void> {
    return new Promise((resolve) => {
      this.startTimer(0, resolve);
    });
  }

  /** Drives the clock until `promise` settles. Rejects if nothing is pending that could settle it. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.#settle();
    while (!settled) {
      if (!this.#fireNext())
        throw new Error("Nothing is pending under virtual time, and the promise has not settled.");
      await this.#settle();
    }
    return promise;
  }

  /** Lets `durationMs` pass. */
  async advance(durationMs: number): Promise<void> {
    const untilNs = this.#elapsedNs + BigInt(Math.round(durationMs * 1e6));
    await this.#settle();
    for (let next = this.#pending[0]; next !== undefined && next.dueNs <= untilNs; next = this.#pending[0]) {
      this.#fireNext();
      await this.#settle();
    }
    this.#elapsedNs = untilNs;
  }

  #fireNext(): boolean {
    const next = this.#pending.shift();
    if (next === undefined) return false;
    if (next.dueNs > this.#elapsedNs) this.#elapsedNs = next.dueNs;
    next.callback();
    return true;
  }

  /** Keeps the list sorted by time, then by the order of starting. */
  #insert(pending: Pending): void {
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pending[middle].dueNs <= pending.dueNs) low = middle + 1;
      else high = middle;
    }
    this.#pending.splice(low, 0, pending);
  }
}
