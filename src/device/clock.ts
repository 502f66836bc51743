/** The device's view of time. It is handed in, so that a whole device can run under virtual time. */

/** A timer that has been started. */
export interface Timer {
  /** Stops the timer. Has no effect on a timer that has fired or was cancelled. */
  cancel(): void;
}

export interface Clock {
  /** Wall time for records that people read. Nanoseconds since the Unix epoch. */
  wallNs(): bigint;
  /** Time for durations, which never goes back. Nanoseconds since an arbitrary point. */
  monotonicNs(): bigint;
  /** Calls `callback` once, after at least `delayMs`. */
  startTimer(delayMs: number, callback: () => void): Timer;
  /** Lets other work run, and resolves soon. Long loops call it every few milliseconds. */
  yield(): Promise<void>;
}

/** Resolves after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.startTimer(delayMs, resolve);
  });
}

/**
 * Waits for `promise`, for at most `timeoutMs`. Resolves to true if it settled in time (and passes a
 * rejection on), or to false if the time ran out, after which nobody waits for the promise.
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

/** The milliseconds between two monotonic readings. */
export function elapsedMs(startNs: bigint, endNs: bigint): number {
  return Number(endNs - startNs) / 1e6;
}
