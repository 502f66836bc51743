/** Calls that are made again because the daemon said that they may be. */
import { setTimeout as pause } from "node:timers/promises";
import { TorporError } from "./errors.ts";
import { RETRY_DELAY_MS_MAX } from "./limits.ts";

export interface RetryLimits {
  /** How often to try again. */
  readonly retriesMax: number;
  /** When to give up at the latest, by `performance.now()`. Unit: milliseconds. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `attempt` until it succeeds, fails with an error that has no retryDelayMs, or a limit is reached:
 * then its last error is thrown. The daemon sends that delay only where nothing has happened yet, so that no
 * call takes effect twice.
 */
export async function withRetries<T>(attempt: () => Promise<T>, limits: RetryLimits): Promise<T> {
  const { retriesMax, deadlineMs, signal } = limits;
  for (let retries = 0; ; retries++) {
    try {
      return await attempt();
    } catch (error) {
      const askedMs = error instanceof TorporError ? error.retryDelayMs : undefined;
      if (askedMs === undefined || retries >= retriesMax) throw error;
      const delayMs = Math.min(askedMs, RETRY_DELAY_MS_MAX);
      if (performance.now() + delayMs >= deadlineMs) throw error;
      // An abort ends the pause; the last error says more than that.
      await pause(delayMs, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}
