/** How long the event loop was busy at a stretch while something ran. */

/**
 * Runs `work`, and answers the longest turn of this thread's event loop meanwhile, in milliseconds. The loop never
 * sleeps while it is looked at.
 */
export async function longestTurnMs(work: () => Promise<unknown>): Promise<number> {
  let longestMs = 0;
  let beforeMs = performance.now();
  let immediate = setImmediate(look);
  try {
    await work();
  } finally {
    clearImmediate(immediate);
  }
  return Math.max(longestMs, performance.now() - beforeMs);

  function look(): void {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - beforeMs);
    beforeMs = nowMs;
    immediate = setImmediate(look);
  }
}
