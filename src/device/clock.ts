/**
 * Time as the device sees it. Handed in, so that a whole device can run under virtual time.
 */

/** A timer that has been started. */
export interface Timer {
  /** Stops the timer; a timer that has fired or was cancelled is left alone. */
  cancel(): void;
}

export interface Clock {
  /** Wall time for records that people read. Nanoseconds since the Unix epoch. */
  wallNs(): bigint;
  /** Time for durations: never goes back. Nanoseconds since an arbitrary point. */
  monotonicNs(): bigint;
  /** Calls `callback` once, `delayMs` from now or later. */
  startTimer(delayMs: number, callback: () => void): Timer;
  /** Lets other work run; resolves soon. Long loops call it every few milliseconds. */
  yield(): Promise<void>;
}

/** Resolves after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.startTimer(delayMs, resolve);
  });
}

/**
 * Waits for `promise`, at most `timeoutMs`. Resolves to true when it settled in time (a rejection is passed
 * on), to false when the time ran out; the promise is then left to itself.
 */
export function settledWithin(clock: Clock, promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.startTimer(timeoutMs, () => resolve(false));
    promise.then(
      () => {
        timer.cancel();
        resolve(true);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}

/** Milliseconds between two monotonic readings. */
export function elapsedMs(startNs: bigint, endNs: bigint): number {
  return Number(endNs - startNs) / 1e6;
}
