/**
 * A fence stands for something that will be done once, with or without an error (the kernel's dma_fence).
 *
 * It is cheap until somebody waits, because `wait` makes the first promise. Settling is final. The error is
 * set before the fence counts as settled, so nobody sees a signalled fence whose error is still to come.
 */
import assert from "node:assert/strict";
import type { DeviceError } from "./errors.ts";
import { Listeners } from "./listeners.ts";

export type FenceState = "PENDING" | "SIGNALED" | "FAILED";

export class Fence {
  #state: FenceState = "PENDING";
  #error: DeviceError | undefined;
  readonly #settled = new Listeners();

  get state(): FenceState {
    return this.#state;
  }

  /** Why the fence failed; undefined while it is pending, and if it signalled. */
  get error(): DeviceError | undefined {
    return this.#error;
  }

  signal(): void {
    this.#settle("SIGNALED", undefined);
  }

  fail(error: DeviceError): void {
    this.#settle("FAILED", error);
  }

  /**
   * Calls `listener` when the fence has settled, or at once if it already has. Listeners run in the order in
   * which they were added.
   */
  onSettled(listener: () => void): void {
    if (this.#state === "PENDING") this.#settled.once(listener);
    else listener();
  }

  /** Resolves when the fence signals, rejects with its error when it fails. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onSettled(() => {
        if (this.#error === undefined) resolve();
        else reject(this.#error);
      });
    });
  }

  #settle(state: FenceState, error: DeviceError | undefined): void {
    assert(this.#state === "PENDING", "a fence settles once");
    this.#error = error;
    this.#state = state;
    this.#settled.tell();
  }
}
