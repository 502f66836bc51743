/**
 * Batches in flight: starts the next batch while earlier ones still copy, so that no engine waits for the
 * walk that feeds it. The first error stops the walk, and is thrown when everything in flight has ended.
 */
import type { Clock } from "../clock.ts";
import { MOVE_BATCHES_IN_FLIGHT } from "../limits.ts";

/**
 * Runs `work` on each batch, at most MOVE_BATCHES_IN_FLIGHT at once. Other work runs after each batch that
 * begins, because several that begin and end in one turn would take too long.
 */
export async function pipelined<T>(
  clock: Clock,
  batches: Iterable<T> | AsyncIterable<T>,
  work: (batch: T) => Promise<void>,
): Promise<void> {
  const inFlight = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  try {
    for await (const batch of batches) {
      const running: Promise<void> = work(batch).then(
        () => {
          inFlight.delete(running);
        },
        (error: unknown) => {
          inFlight.delete(running);
          failure ??= { error };
        },
      );
      inFlight.add(running);
      await clock.yield();
      if (inFlight.size >= MOVE_BATCHES_IN_FLIGHT) await Promise.race(inFlight);
      if (failure !== undefined) break;
    }
  } finally {
    await Promise.all(inFlight);
  }
  if (failure !== undefined) throw failure.error;
}
