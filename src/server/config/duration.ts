/** Durations as people write them in configuration: `500ms`, `1.5s`. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000 };

/**
 * Reads a duration.
 * @returns milliseconds; undefined if `value` has no unit or is not a whole number of milliseconds.
 */
export function parseDuration(value: unknown): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(ms|s)$/.exec(typeof value === "string" ? value.trim() : "");
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** Writes a duration so that `parseDuration` reads back the same one. */
export function formatDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
