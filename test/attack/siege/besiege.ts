/** One attack against one daemon, and what it cost. */
import { setTimeout as pause } from "node:timers/promises";
import type { Attack, Bounds, Done } from "./attack.ts";
import { probeHealth } from "./health-probe.ts";
import type { Victim } from "./victim.ts";

/** Between two looks at whether others are served. Unit: milliseconds. */
const OTHERS_MS = 400;

export interface SiegeOptions {
  /** How long health is looked at before. */
  readonly quietMs: number;
  readonly durationMs: number;
  readonly connections: number;
  readonly acts: number;
  /** Ends the attack before its time. */
  readonly signal?: AbortSignal;
}

export interface Report extends Done {
  readonly attack: string;
  readonly by: Attack["by"];
  readonly seconds: number;
  /** How the daemon ended; undefined when it lives. */
  readonly died: string | undefined;
  /** Largest resident set during the attack. Unit: bytes. */
  readonly peakBytes: number;
  /**
   * How much of a processor the daemon had; on a machine that is busy with something else less than it would
   * have taken.
   */
  readonly processorShare: number;
  /**
   * The same before the attack: a machine that is busy with something else is slower at both. Unit:
   * milliseconds.
   */
  readonly quietMedianMs: number;
  /** Median time of a health check on a new connection during the attack. Unit: milliseconds. */
  readonly healthMedianMs: number;
  readonly healthAnswers: number;
  readonly healthUnanswered: number;
  /** What the log grew by. Unit: bytes. */
  readonly logBytes: number;
  /** What somebody else with credentials was refused meanwhile. */
  readonly refused: readonly string[];
  /** Whether every byte of the device is as before. */
  readonly intact: boolean;
}

export async function besiege(
  victim: Victim,
  attack: Attack,
  { durationMs, quietMs, connections, acts, signal }: SiegeOptions,
): Promise<Report> {
  const quiet = await probeHealth(victim, AbortSignal.timeout(quietMs));
  const logBefore = victim.logBytes;
  victim.peakBytes();
  const cpuBefore = victim.cpuSeconds();
  const begun = performance.now();
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), durationMs);
  signal?.addEventListener("abort", () => over.abort(), { once: true });
  const bounds: Bounds = { signal: over.signal, connections, acts };
  const watched = new AbortController();
  const probes = probeHealth(victim, watched.signal);
  const refusals = watchRefusals(victim, over.signal);
  const done = await attack.run(victim, bounds);
  const seconds = (performance.now() - begun) / 1000;
  watched.abort();
  const { latenciesMs, unanswered } = await probes;
  clearTimeout(timer);
  over.abort();
  const refused = await refusals;
  return {
    ...done,
    attack: attack.name,
    by: attack.by,
    seconds,
    died: victim.end,
    peakBytes: victim.peakBytes(),
    processorShare: (victim.cpuSeconds() - cpuBefore) / seconds,
    quietMedianMs: median(quiet.latenciesMs),
    healthMedianMs: median(latenciesMs),
    healthAnswers: latenciesMs.length,
    healthUnanswered: unanswered,
    logBytes: victim.logBytes - logBefore,
    refused,
    intact: victim.isAlive && (await victim.isIntact().catch(() => false)),
  };
}

/** Asks for what somebody else needs, now and then. */
async function watchRefusals(victim: Victim, signal: AbortSignal): Promise<readonly string[]> {
  const refused: string[] = [];
  while (!signal.aborted && victim.isAlive) {
    await pause(OTHERS_MS, undefined, { signal }).catch(() => undefined);
    if (victim.isAlive) refused.push(...(await victim.refusals().catch(() => [])));
  }
  return refused;
}

/** Infinite for none, so that no answer is never taken for a fast one. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.POSITIVE_INFINITY;
}
