/**
 * How fast this device's own suspends were. Each one that succeeds adds samples, from which plans estimate
 * their time (estimate.ts).
 */
import type { MemoryBank } from "../hardware/bank.ts";
import { RATE_SAMPLES_MAX } from "../limits.ts";
import type { PhaseRecord } from "../resource.ts";

/** A kind of work that a suspend does, each with a speed of its own. `waits` is what moves no bytes. */
export const SUSPEND_WORK = ["verify", "blitter", "memcpy", "image", "power_off", "waits"] as const;
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

/** What a suspend knows and its phases do not record. */
export interface SuspendAmounts {
  /** What `prepare` checksummed; undefined if nothing was verified. */
  readonly verified: { readonly objects: number; readonly bytes: number } | undefined;
  /** What lost its power. */
  readonly lostBytes: number;
}

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
  begin(): (phases: readonly PhaseRecord[], amounts: SuspendAmounts) => void {
    const promisedBefore = this.#system.promisedBytes;
    return (phases, amounts) => {
      const newBytes = this.#system.promisedBytes - promisedBefore;
      this.#learn(shareOut(phases, amounts), newBytes);
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
  { verified, lostBytes }: SuspendAmounts,
): ReadonlyMap<SuspendWork, RateSample> {
  const samples = new Map<SuspendWork, RateSample>();
  for (const phase of phases) {
    const work = workOf(phase, verified !== undefined);
    const amount = work === "verify" ? verified : work === "power_off" ? { bytes: lostBytes } : phase;
    const { durationNs = 0, objects = 0, bytes = 0 } = samples.get(work) ?? {};
    samples.set(work, {
      durationNs: durationNs + Number(phase.durationNs),
      objects: objects + (amount !== undefined && "objects" in amount ? amount.objects : 0),
      bytes: bytes + (amount?.bytes ?? 0),
      newBytes: 0,
    });
  }
  return samples;
}

function workOf({ phase, bytes, blitterBytes, memcpyBytes }: PhaseRecord, isVerified: boolean): SuspendWork {
  if (phase === "image" || phase === "power_off") return phase;
  if (phase === "prepare" && isVerified) return "verify";
  if (bytes === 0) return "waits";
  return blitterBytes >= memcpyBytes ? "blitter" : "memcpy";
}
