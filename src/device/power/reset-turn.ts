/**
 * Tracks work for which the device must be left alone, as a reset or a snapshot: during it, no transition and
 * no other such work begins.
 */
import { DeviceError } from "../errors.ts";

export class ResetTurn {
  #running = false;
  #what = "";
  #ended = Promise.resolve();

  get running(): boolean {
    return this.#running;
  }

  /** Resolves when no such work is in progress. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** @throws DeviceError TRANSITION_IN_PROGRESS during such work. */
  requireNone(): void {
    if (!this.#running) return;
    throw new DeviceError(
      "TRANSITION_IN_PROGRESS",
      `The device is being ${this.#what}; try again when that has ended.`,
      { what: this.#what },
    );
  }

  /** Runs such work. Legal when there is none. `what` is done to the device: `reset`. */
  async run<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#running = true;
    this.#what = what;
    let ended = (): void => {};
    this.#ended = new Promise((resolve) => {
      ended = resolve;
    });
    try {
      return await work();
    } finally {
      this.#running = false;
      ended();
    }
  }
}
