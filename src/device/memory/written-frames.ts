/**
 * Knows which frames of 64 KiB of each object may have been written since its `begin`. A frame that counts as
 * unwritten still holds exactly the bytes, and lies in exactly the place, that it had then.
 *
 * Every writer reports here: content, commands of engines, and whoever gives an object a place or takes its
 * power away. An object for which nobody called `begin` counts as written, and so does a new one.
 */
import { KIB } from "../limits.ts";
import type { ObjectTable } from "./object-table.ts";

/** The granularity in which writes are known. Unit: bytes. */
export const FRAME_BYTES = 64 * KIB;

/** Objects of so many frames have their bits in the table. Larger ones have a bitmap of their own. */
const FRAMES_IN_TABLE = 32;
const ALL_WRITTEN = 0xffff_ffff;

/** How many frames an object of this size has. */
export function framesOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / FRAME_BYTES);
}

export class WrittenFrames {
  readonly #table: ObjectTable;
  /** By slot: a bit for each frame of an object that is too large for the table. */
  readonly #bitmaps = new Map<number, Uint32Array>();

  constructor(table: ObjectTable) {
    this.#table = table;
  }

  /** From now on no frame counts as written, until somebody writes. */
  begin(slot: number): void {
    this.#table.written[slot] = 0;
    const frames = framesOf(this.#table.sizeBytes[slot]);
    if (frames > FRAMES_IN_TABLE) this.#bitmaps.set(slot, new Uint32Array(Math.ceil(frames / 32)));
  }

  /** These bytes of the object are about to be written. A write that may not happen counts too. */
  note(slot: number, offsetBytes: number, lengthBytes: number): void {
    const table = this.#table;
    if (table.written[slot] === ALL_WRITTEN || lengthBytes === 0) return;
    const first = Math.floor(offsetBytes / FRAME_BYTES);
    const last = Math.floor((offsetBytes + lengthBytes - 1) / FRAME_BYTES);
    const bitmap = this.#bitmaps.get(slot);
    if (bitmap === undefined) {
      for (let frame = first; frame <= last; frame++) table.written[slot] |= 1 << frame;
      return;
    }
    for (let frame = first; frame <= last; frame++) bitmap[frame >>> 5] |= 1 << (frame & 31);
  }

  /** All bytes of the object have been written, moved or lost. */
  noteAll(slot: number): void {
    if (this.#table.written[slot] === ALL_WRITTEN) return;
    this.#table.written[slot] = ALL_WRITTEN;
    this.#bitmaps.delete(slot);
  }

  /** All bytes of all objects may have been written or lost, as when the power was cut. */
  noteEverything(): void {
    this.#table.written.fill(ALL_WRITTEN);
    this.#bitmaps.clear();
  }

  isWritten(slot: number, frame: number): boolean {
    const inTable = this.#table.written[slot];
    if (inTable === ALL_WRITTEN) return true;
    const bitmap = this.#bitmaps.get(slot);
    const bits = bitmap === undefined ? inTable : bitmap[frame >>> 5];
    return ((bits >>> (frame & 31)) & 1) === 1;
  }
}
