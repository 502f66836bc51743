/**
 * Saved bytes of a device's objects as frames of a pool, and which object has the bytes of which frame now.
 */

import type { FramePool } from "./frame-pool.ts";
import { NONE } from "./object-table.ts";
import type { WrittenFrames } from "./written-frames.ts";

/** The frames of all objects of one snapshot, one object after the other. */
export class SavedBytes {
  /** Numbers of frames in the pool. Empty after `release`. */
  frames = new Int32Array(0);
  readonly #pool: FramePool;

  constructor(pool: FramePool) {
    this.#pool = pool;
  }

  /** Gives the frames up. Those that nobody shares are free then. */
  release(): void {
    const { frames } = this;
    this.frames = new Int32Array(0);
    for (const frame of frames) this.#pool.release(frame);
  }
}

/** By slot: the saved bytes that the object had when its frames last counted as unwritten. */
export class BytesInPlace {
  readonly #written: WrittenFrames;
  readonly #saved: (SavedBytes | undefined)[] = [];
  /** Position of the object's first frame. */
  readonly #first: number[] = [];

  constructor(written: WrittenFrames) {
    this.#written = written;
  }

  /** The object has exactly these saved bytes now, from frame `first` on. */
  begin(slot: number, saved: SavedBytes, first: number): void {
    while (this.#saved.length <= slot) {
      this.#saved.push(undefined);
      this.#first.push(0);
    }
    this.#written.begin(slot);
    this.#saved[slot] = saved;
    this.#first[slot] = first;
  }

  /** The frame of the pool whose bytes the object's frame still has; NONE if none is known to have them. */
  find(slot: number, frame: number): number {
    if (this.#written.isWritten(slot, frame)) return NONE;
    return this.#saved[slot]?.frames[this.#first[slot] + frame] ?? NONE;
  }
}
