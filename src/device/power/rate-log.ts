/**
 * How fast this device's own suspends were. Each one that succeeds adds samples, from which plans estimate
 * their time (estimate.ts).
 */
import type { MemoryBank } from "../hardware/bank.ts";
import { RATE_SAMPLES_MAX } from "../limits.ts";
import type { PhaseRecord } from "../resource.ts";

/** A kind of work that a suspend does, each with a speed of its own. `waits` is what moves no bytes. */
export const SUSPEND_WORK = ["verify", "blitter", "memcpy", "image", "waits"] as const;
export type SuspendWork = (typeof SUSPEND_WORK)[number];

export interface WorkAmount {
  readonly objects: number;
  readonly bytes: number;
  /** How many of the bytes go to memory that the machine has never given before. */
  readonly newBytes: number;
}

/** What one suspend did of one kind of work. */
export interface RateSample extends WorkAmount {
  readonly durationNs: number;
}

/** What `prepare` of a suspend checksummed, which no phase records; undefined if nothing was verified. */
export type VerifiedAmount = { readonly objects: number; readonly bytes: number } | undefined;

export class RateLog {
  readonly #system: MemoryBank;
  readonly #samples = new Map<SuspendWork, RateSample[]>();

  /** @param system the bank that backups go to */
  constructor(system: MemoryBank) {
    this.#system = system;
  }

  /** The newest samples of a kind of work, oldest first; none before the first suspend. */
  of(work: SuspendWork): readonly RateSample[] {
    return this.#samples.get(work) ?? [];
  }

  /** Begins to measure a suspend. Call the answer when it has succeeded. */
  begin(): (phases: readonly PhaseRecord[], verified: VerifiedAmount) => void {
    const promisedBefore = this.#system.promisedBytes;
    return (phases, verified) => {
      const newBytes = this.#system.promisedBytes - promisedBefore;
      this.#learn(shareOut(phases, verified), newBytes);
    };
  }

  /** First touches happen where copies go, so they are shared out over the copies by bytes. */
  #learn(samples: ReadonlyMap<SuspendWork, RateSample>, newBytes: number): void {
    const copied = (samples.get("blitter")?.bytes ?? 0) + (samples.get("memcpy")?.bytes ?? 0);
    for (const [work, sample] of samples) {
      const isCopy = work === "blitter" || work === "memcpy";
      const share = isCopy && copied > 0 ? (newBytes * sample.bytes) / copied : 0;
      const kept = [...this.of(work), { ...sample, newBytes: share }];
      this.#samples.set(work, kept.slice(-RATE_SAMPLES_MAX));
    }
  }
}

/** Adds up the phases of a suspend by kind of work. */
function shareOut(
  phases: readonly PhaseRecord[],
  verified: VerifiedAmount,
): ReadonlyMap<SuspendWork, RateSample> {
  const samples = new Map<SuspendWork, RateSample>();
  for (const phase of phases) {
    const work = workOf(phase, verified !== undefined);
    const amount = work === "verify" ? verified : phase;
    const { durationNs = 0, objects = 0, bytes = 0 } = samples.get(work) ?? {};
    samples.set(work, {
      durationNs: durationNs + Number(phase.durationNs),
      objects: objects + (amount?.objects ?? 0),
      bytes: bytes + (amount?.bytes ?? 0),
      newBytes: 0,
    });
  }
  return samples;
}

function workOf({ phase, bytes, blitterBytes, memcpyBytes }: PhaseRecord, isVerified: boolean): SuspendWork {
  if (phase === "image") return phase;
  if (phase === "prepare" && isVerified) return "verify";
  if (bytes === 0) return "waits";
  return blitterBytes >= memcpyBytes ? "blitter" : "memcpy";
}
