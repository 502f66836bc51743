/**
 * The machine's monotonic time, the same on every thread of a process. Engine threads load this file by its
 * URL.
 */

/** Nanoseconds since an arbitrary point. */
export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}
