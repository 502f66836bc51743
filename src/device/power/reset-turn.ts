/** Tracks resets of the device: during one, no transition and no other reset begins. */
import { DeviceError } from "../errors.ts";

export class ResetTurn {
  #running = false;
  #ended = Promise.resolve();

  get running(): boolean {
    return this.#running;
  }

  /** Resolves when no reset is in progress. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** @throws DeviceError TRANSITION_IN_PROGRESS during a reset. */
  requireNone(): void {
    if (!this.#running) return;
    throw new DeviceError(
      "TRANSITION_IN_PROGRESS",
      "The device is being reset; try again when that has ended.",
    );
  }

  /** Runs a reset when its turn comes. */
  async run(reset: () => Promise<void>): Promise<void> {
    this.#running = true;
    let ended = (): void => {};
    this.#ended = new Promise((resolve) => {
      ended = resolve;
    });
    try {
      await reset();
    } finally {
      this.#running = false;
      ended();
    }
  }
}
