/** Sizes as people write them, for messages: 96 MiB, 1.5 GiB, 4100 bytes. */

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** Formats `sizeBytes` in the largest unit that needs at most one decimal, else in bytes. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1 && Number.isInteger((value * 10) / 1024)) {
    value /= 1024;
    unit++;
  }
  return `${value} ${UNITS[unit]}`;
}

const DAY_MS = 86_400_000n;

/**
 * Wall time as people read it, in UTC: `2026-11-22T18:21:25.123Z`.
 * @param timeNs nanoseconds since the Unix epoch
 */
export function formatTime(timeNs: bigint): string {
  const timeMs = timeNs / 1_000_000n;
  const days = Number(timeMs / DAY_MS);
  const ms = Number(timeMs % DAY_MS);
  // Years that begin in March have their leap day last (Howard Hinnant, chrono-compatible low-level date
  // algorithms).
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const two = (value: number): string => String(value).padStart(2, "0");
  const clock = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  const date = `${year}-${two(month)}-${two(day)}`;
  return `${date}T${clock.map(two).join(":")}.${String(ms % 1000).padStart(3, "0")}Z`;
}
