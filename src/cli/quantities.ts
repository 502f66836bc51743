/** Sizes and times as people write and read them: 256MiB, 1.5 GiB, 500ms, 2s. */
import { InvalidArgumentError } from "commander";

const KIB = 1024;
const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: KIB,
  MiB: KIB ** 2,
  GiB: KIB ** 3,
  TiB: KIB ** 4,
};
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads `256MiB` or a number of bytes.
 * @throws InvalidArgumentError, which commander puts into its message
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)?$/.exec(text.trim());
  const bytes = Number(match?.[1]) * (UNIT_BYTES[match?.[2] ?? "B"] ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError("Write a size such as 4096, 64KiB, 256MiB or 1.5GiB.");
}

/** Reads `500ms`, `2s`, `5m` or `1h`. @returns milliseconds @throws InvalidArgumentError */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(ms|s|m|h)$/.exec(text.trim());
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ""] ?? Number.NaN);
  if (Number.isFinite(ms)) return ms;
  throw new InvalidArgumentError("Write a time such as 500ms, 2s or 5m.");
}

/** Reads a whole number that is not negative. @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError("Write a whole number.");
}

/** Reads a number from 0 to 1. @throws InvalidArgumentError */
export function parseProbability(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError("Write a number from 0 to 1, such as 0.25.");
}

/** Formats a size with one decimal: `64 MiB`, `1.5 GiB`, `13 B`. -o json has the exact number. */
export function formatSize(sizeBytes: number | bigint): string {
  let value = Number(sizeBytes);
  let shown = "B";
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    // 1023.96 of a unit would be shown as 1024.
    if (Math.abs(value) < KIB - 0.05) break;
    value /= KIB;
    shown = unit;
  }
  return `${shown === "B" ? value : Number(value.toFixed(1))} ${shown}`;
}

/** Formats a duration for people: `0.42 ms`, `37.1 ms`, `2.5 s`. */
export function formatMs(ms: number): string {
  if (ms >= 1000) return `${Number((ms / 1000).toFixed(1))} s`;
  return `${Number(ms.toFixed(ms < 10 ? 2 : 1))} ms`;
}

/** `1 object`, `2 objects`. */
export function formatObjects(count: number): string {
  return count === 1 ? "1 object" : `${count} objects`;
}
