/**
 * How long a suspend will take, as a range: from the brakes, and from what this device's own suspends took.
 *
 * A suspend of the past bounds one of the future. If each object costs some time and each byte too, a suspend
 * of twice the objects and three times the bytes takes between twice and three times as long. The first touch
 * of memory costs up to two copies on top.
 */
import type { RateLimits, Rates } from "../hardware/rates.ts";
import { COMMON_SPREAD_MAX, ESTIMATE_MARGIN, GUESSED_RATES, GUESSED_WAITS_NS } from "../limits.ts";
import {
  type RateLog,
  type RateSample,
  SUSPEND_WORK,
  type SuspendWork,
  type WorkAmount,
} from "./rate-log.ts";

export interface Estimate {
  readonly minNs: bigint;
  readonly maxNs: bigint;
  /** The kinds of work that no suspend of this device has measured, so that their times are guesses. */
  readonly unmeasured: readonly SuspendWork[];
}

export interface Pace {
  readonly log: RateLog;
  /** The rates that virtual time charges; undefined if work takes real time. */
  readonly rates: Rates | undefined;
  readonly limits: RateLimits;
  /** Engines that share the blitter's copies. */
  readonly blitterEngines: number;
}

interface Span {
  readonly minNs: number;
  readonly maxNs: number;
}

/**
 * Estimates the work of a suspend.
 * @param waitMs how long it may wait for work that runs now. Unit: milliseconds.
 */
export function estimate(
  amounts: Readonly<Partial<Record<SuspendWork, WorkAmount>>>,
  pace: Pace,
  waitMs: number,
): Estimate {
  let minNs = 0;
  let maxNs = waitMs * 1e6;
  const unmeasured: SuspendWork[] = [];
  for (const work of SUSPEND_WORK) {
    const amount = amounts[work];
    if (amount === undefined) continue;
    const measured = measuredSpan(pace.log.of(work), amount);
    const span = braked(measured ?? guessedSpan(work, amount, pace.rates), brakeOf(work, amount, pace));
    if (measured === undefined && pace.rates === undefined && work !== "waits") unmeasured.push(work);
    minNs += span.minNs;
    maxNs += span.maxNs;
  }
  return { minNs: BigInt(Math.round(minNs)), maxNs: BigInt(Math.round(maxNs)), unmeasured };
}

/** From the samples that resemble this amount most; undefined without samples. */
function measuredSpan(samples: readonly RateSample[], amount: WorkAmount): Span | undefined {
  const spans = samples.filter((sample) => resembles(sample, amount)).map((sample) => scaled(sample, amount));
  if (spans.length === 0) return undefined;
  const narrowest = Math.min(...spans.map(spreadOf));
  const alike = spans.filter((span) => spreadOf(span) <= narrowest * COMMON_SPREAD_MAX);
  const minNs = Math.min(...alike.map((span) => span.minNs));
  const maxNs = Math.max(...alike.map((span) => span.maxNs));
  return { minNs: minNs * (1 - ESTIMATE_MARGIN), maxNs: maxNs * (1 + ESTIMATE_MARGIN) };
}

/** A suspend that moved nothing says nothing of one that moves something. */
function resembles(sample: WorkAmount, amount: WorkAmount): boolean {
  return sample.bytes > 0 || amount.bytes === 0;
}

/** What the sample would have taken for this amount. Part of its time is fixed, so little work keeps it. */
function scaled(sample: RateSample, amount: WorkAmount): Span {
  if (amount.bytes === 0) return { minNs: 0, maxNs: sample.durationNs };
  const fewest = amount.bytes / (sample.bytes + 2 * sample.newBytes);
  const most = (amount.bytes + 2 * amount.newBytes) / sample.bytes;
  const byObjects = sample.objects > 0 && amount.objects > 0 ? amount.objects / sample.objects : fewest;
  return {
    minNs: sample.durationNs * Math.min(fewest, byObjects),
    maxNs: sample.durationNs * Math.max(most, byObjects, 1 / COMMON_SPREAD_MAX),
  };
}

function spreadOf({ minNs, maxNs }: Span): number {
  return minNs > 0 ? maxNs / minNs : Number.MAX_VALUE;
}

/** What it costs by the model under virtual time, and what machines of any kind take else. */
function guessedSpan(work: SuspendWork, { bytes, newBytes }: WorkAmount, rates: Rates | undefined): Span {
  if (rates !== undefined) {
    const perSecond = modelRate(work, rates);
    const modelNs = perSecond === undefined ? 0 : (bytes / perSecond) * 1e9;
    return { minNs: modelNs, maxNs: modelNs };
  }
  if (work === "waits") return { minNs: 0, maxNs: GUESSED_WAITS_NS };
  const { fastest, slowest } = GUESSED_RATES[work];
  return { minNs: (bytes / fastest) * 1e9, maxNs: ((bytes + 2 * newBytes) / slowest) * 1e9 };
}

/** Bytes per second by the model; undefined for what costs nothing there. */
function modelRate(work: SuspendWork, rates: Rates): number | undefined {
  if (work === "blitter") return rates.blitterBytesPerSecond;
  return work === "memcpy" ? rates.cpuReadLocalBytesPerSecond : undefined;
}

/** The least time that a brake leaves, by all engines and by one alone. */
function brakeOf(work: SuspendWork, { bytes }: WorkAmount, { limits, blitterEngines }: Pace): Span {
  const limit = work === "blitter" ? limits.blitter : work === "memcpy" ? limits.memcpy : undefined;
  if (limit === undefined) return { minNs: 0, maxNs: 0 };
  const aloneNs = (bytes / limit) * 1e9;
  return { minNs: work === "blitter" ? aloneNs / blitterEngines : aloneNs, maxNs: aloneNs };
}

/** Nothing is faster than its brake. */
function braked(span: Span, brake: Span): Span {
  return {
    minNs: Math.max(span.minNs, brake.minNs),
    maxNs: Math.max(span.maxNs, brake.maxNs),
  };
}
