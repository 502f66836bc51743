/**
 * The only place that converts between the wires' bigint, Duration and Timestamp and the device's numbers.
 */

import type { Duration } from "../../contract/gen/google/protobuf/duration.ts";
import type { Timestamp } from "../../contract/gen/google/protobuf/timestamp.ts";
import { DURATION_MS_MAX } from "../limits.ts";
import { WireError } from "./wire-error.ts";

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000;

/**
 * Reads an int64. Negative values pass, because the device reports what is wrong with them.
 * @throws WireError INVALID_REQUEST
 */
export function toNumber(value: bigint, field: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new WireError(
    "INVALID_REQUEST",
    `Field ${field} (${value}) is outside the range of -(2^53-1) to 2^53-1.`,
    { field },
  );
}

/**
 * Reads a number of bytes that the device does not check.
 * @throws WireError INVALID_SIZE if it is negative
 */
export function toByteCount(value: bigint, field: string): number {
  if (value >= 0n) return toNumber(value, field);
  throw new WireError("INVALID_SIZE", `Field ${field} (${value}) is negative.`, { field });
}

/** Writes a number of bytes. */
export function toInt64(value: number): bigint {
  return BigInt(value);
}

/**
 * Reads a duration, rounded up to milliseconds.
 * @throws WireError INVALID_REQUEST if it is malformed or out of range
 */
export function toMs(duration: Duration | undefined, field: string): number | undefined {
  if (duration === undefined) return undefined;
  const ms = Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / NS_PER_MS);
  // Only gRPC can send a malformed Duration (google/protobuf/duration.proto).
  const isOne = duration.nanos < NS_PER_SECOND;
  if (duration.seconds >= 0n && duration.nanos >= 0 && isOne && ms <= DURATION_MS_MAX) return ms;
  const given = isOne
    ? `${Number(duration.seconds) + duration.nanos / (NS_PER_MS * 1000)}s`
    : `${duration.seconds}s ${duration.nanos}ns`;
  throw new WireError(
    "INVALID_REQUEST",
    `Field ${field} (${given}) is not within 0s to ${DURATION_MS_MAX / 1000}s.`,
    { field },
  );
}

/**
 * Reads a duration to the nanosecond. Malformed ones pass, because the device reports what is wrong with
 * them.
 */
export function toExactMs({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / NS_PER_MS;
}

export function toTimestamp(ns: bigint): Timestamp {
  return { seconds: ns / NS_PER_SECOND, nanos: Number(ns % NS_PER_SECOND) };
}

export function toDuration(ns: bigint): Duration {
  return { seconds: ns / NS_PER_SECOND, nanos: Number(ns % NS_PER_SECOND) };
}
