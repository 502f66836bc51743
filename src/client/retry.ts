/** Retries calls when the daemon says that this is safe. */
import { setTimeout as pause } from "node:timers/promises";
import { RETRY_DELAY_MS_MAX } from "./limits.ts";
import { TorporError } from "./torpor-error.ts";

export interface RetryLimits {
  /** How often to try again. */
  readonly retriesMax: number;
  /** The latest time to give up, by `performance.now()`. Unit: milliseconds. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `attempt` until it succeeds, fails with an error without retryDelayMs, or reaches a limit. In the
 * latter two cases it throws the last error. The daemon sends that delay only if nothing has happened yet, so
 * no call takes effect twice.
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
      // An abort ends the pause, but the last error says more than the abort.
      await pause(delayMs, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}
