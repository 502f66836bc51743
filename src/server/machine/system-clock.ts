/** The machine's clock, by which devices run outside of tests. */
import assert from "node:assert/strict";
import type { Clock, Timer } from "../../device/clock.ts";
import { monotonicNs } from "./monotonic-clock.ts";

/** The longest delay of setTimeout. With a longer one it would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

export const systemClock: Clock = {
  wallNs: () => BigInt(Date.now()) * NANOSECONDS_PER_MILLISECOND,
  monotonicNs,
  startTimer,
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};

function startTimer(delayMs: number, callback: () => void): Timer {
  assert(delayMs <= TIMER_MS_MAX, `a delay of ${delayMs} ms is longer than a timer can wait`);
  const timeout = setTimeout(callback, delayMs);
  return { cancel: () => clearTimeout(timeout) };
}
