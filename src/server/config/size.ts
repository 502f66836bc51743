/** Sizes as people write them in configuration: `256MiB`, or a number of bytes. */

const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * Reads a size in binary units only, because a region's size in decimal units is almost always a mistake.
 * @returns bytes; undefined if `value` is not a whole, safe number of bytes.
 */
export function parseSize(value: unknown): number | undefined {
  if (typeof value === "number") return wholeBytes(value);
  if (typeof value !== "string") return undefined;
  const match = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)?$/.exec(value.trim());
  if (match === null) return undefined;
  return wholeBytes(Number(match[1]) * (UNIT_BYTES[match[2] ?? "B"] ?? 1));
}

/** Writes a size in the largest unit that divides it, so that `parseSize` reads back the same number. */
export function formatSize(sizeBytes: number): string {
  for (const unit of ["TiB", "GiB", "MiB", "KiB"]) {
    const unitBytes = UNIT_BYTES[unit] ?? 1;
    if (sizeBytes >= unitBytes && sizeBytes % unitBytes === 0) return `${sizeBytes / unitBytes}${unit}`;
  }
  return String(sizeBytes);
}

function wholeBytes(value: number): number | undefined {
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
