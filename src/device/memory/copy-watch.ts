/**
 * Reports copies to a listener as they end, for traces. It costs nothing without a listener. Copies of one
 * track are reported as consecutive: a copy that waited for another begins when that one ended.
 */
import type { Clock } from "../clock.ts";
import { Listeners } from "../listeners.ts";

/** A list of copies that was carried out, or one engine's share of it. */
export interface CopyRecord {
  /** Name of the engine, or `cpu`. */
  readonly track: string;
  /** Monotonic. Nanoseconds. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly bytes: number;
  /** How many ranges of memory it consisted of. */
  readonly pieces: number;
}

/** The track of copies by the CPU. */
export const CPU_TRACK = "cpu";

export class CopyWatch {
  /** Called for each copy that has ended. */
  readonly ended = new Listeners<[copy: CopyRecord]>();
  readonly #clock: Clock;
  readonly #endsNs = new Map<string, bigint>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Carries out `copy`, and reports it if it succeeds. */
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
