/** Timestamps and durations as tables show them. */
import { type Duration, type Timestamp, toMs } from "../client/mod.ts";
import { formatMs } from "./quantities.ts";

/** `2026-11-22 19:15:02Z`; a dash for none. */
export function formatTime(time: Timestamp | undefined): string {
  if (time === undefined) return "-";
  const iso = new Date(toMs(time)).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z`;
}

/** `37.1 ms`; a dash for none. */
export function formatDuration(duration: Duration | undefined): string {
  return duration === undefined ? "-" : formatMs(toMs(duration));
}
