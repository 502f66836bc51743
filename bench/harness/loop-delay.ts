/** How long the event loop kept others waiting while something ran. */
import { monitorEventLoopDelay } from "node:perf_hooks";

/** How finely it is looked at. Milliseconds. */
const RESOLUTION_MS = 1;

/** Runs `work`, and answers the 99th percentile of the loop's delay meanwhile, beyond the interval it is looked at. */
export async function loopDelayMs(work: () => Promise<unknown>): Promise<number> {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  await work();
  histogram.disable();
  return Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS);
}
