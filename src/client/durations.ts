/** Lengths of time between numbers of milliseconds and google.protobuf.Duration. */
import type { Duration } from "../contract/gen/google/protobuf/duration.ts";

const MS_PER_SECOND = 1000;
const NS_PER_MS = 1_000_000;

/** @param ms to the nanosecond */
export function toDuration(ms: number): Duration {
  const seconds = Math.trunc(ms / MS_PER_SECOND);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * MS_PER_SECOND) * NS_PER_MS) };
}

/** Milliseconds, with what is finer behind the point. */
export function toMs({ seconds, nanos }: Duration): number {
  return Number(seconds) * MS_PER_SECOND + nanos / NS_PER_MS;
}
