/** Durations in metrics: always seconds, and the buckets of their histograms. */

/** Phases and transitions: from a virtual device's milliseconds to a real one's minutes. Unit: seconds. */
export const OPERATION_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
];

/** Calls over either wire. Unit: seconds. */
export const CALL_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The waits of requests: for fences, for room, or for nothing. Unit: seconds. */
export const WAIT_BUCKETS_SECONDS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

export function secondsOf(durationNs: bigint): number {
  return Number(durationNs) / 1e9;
}
