/** The few statistics that benchmarks need. */
import assert from "node:assert/strict";

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which that part of them lies; `part` from 0 to 1. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  assert(value !== undefined, "statistics are of something");
  return value;
}

/** Median of the ratios of values measured in the same round: what drifts on both sides falls out. */
export function medianRatio(figures: readonly number[], limits: readonly number[]): number {
  assert(figures.length === limits.length, "each figure has the limit of its round");
  return median(figures.map((figure, round) => figure / (limits[round] ?? Number.NaN)));
}
