/**
 * Tells who listens of copies as they end, for traces. Costs nothing while nobody does. Copies of one track
 * are told one after the other: one that had to wait for another begins when that has ended.
 */
import type { Clock } from "../clock.ts";
import { Listeners } from "../listeners.ts";

/** A list of copies that has been carried out, or the share of it that one engine had. */
export interface CopyRecord {
  /** Name of the engine, or `cpu`. */
  readonly track: string;
  /** Monotonic. Nanoseconds. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly bytes: number;
  /** Pieces of memory that it was made of. */
  readonly pieces: number;
}

/** The track of what the CPU copies. */
export const CPU_TRACK = "cpu";

export class CopyWatch {
  /** Told of each copy that has ended. */
  readonly ended = new Listeners<[copy: CopyRecord]>();
  readonly #clock: Clock;
  readonly #endsNs = new Map<string, bigint>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Carries out `copy` and tells of it when it succeeds. */
  async watch(
    track: string,
    list: { readonly totalBytes: number; readonly count: number },
    copy: () => Promise<void>,
  ): Promise<void> {
    if (this.ended.empty) return copy();
    const submittedNs = this.#clock.monotonicNs();
    await copy();
    const endNs = this.#clock.monotonicNs();
    const previousNs = this.#endsNs.get(track) ?? 0n;
    const startNs = previousNs > submittedNs ? previousNs : submittedNs;
    this.#endsNs.set(track, endNs);
    this.ended.tell({ track, startNs, endNs, bytes: list.totalBytes, pieces: list.count });
  }
}
