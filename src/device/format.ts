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
