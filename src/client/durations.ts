/** Converts durations between milliseconds and google.protobuf.Duration. */
import type { Duration } from "../contract/gen/google/protobuf/duration.ts";

const MS_PER_SECOND = 1000;
const NS_PER_MS = 1_000_000;

/** @param ms precise to the nanosecond */
export function toDuration(ms: number): Duration {
  const seconds = Math.trunc(ms / MS_PER_SECOND);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * MS_PER_SECOND) * NS_PER_MS) };
}

/** Milliseconds; anything finer is in the fraction. */
export function toMs({ seconds, nanos }: Duration): number {
  return Number(seconds) * MS_PER_SECOND + nanos / NS_PER_MS;
}
