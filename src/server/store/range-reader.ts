/**
 * Reads an object by large ranges, several at once. Reads that ascend find their bytes ahead of time; others
 * ask the store for just what they want.
 */
import { IMAGE_RANGE_BYTES, IMAGE_RANGES_AHEAD } from "../daemon-limits.ts";
import type { Bucket } from "./bucket.ts";

interface Range {
  readonly bytes: Uint8Array;
  /** How many there were. */
  readonly done: Promise<number>;
}

export class RangeReader {
  readonly #bucket: Bucket;
  readonly #key: string;
  readonly #sizeBytes: number;
  /** By index. */
  readonly #ranges = new Map<number, Range>();
  /** Where the last read ended. */
  #lastEndBytes = -1;

  constructor(bucket: Bucket, key: string, sizeBytes: number) {
    this.#bucket = bucket;
    this.#key = key;
    this.#sizeBytes = sizeBytes;
  }

  /** Returns how many bytes there were. @throws BucketError */
  async read(offsetBytes: number, into: Uint8Array): Promise<number> {
    const endBytes = Math.min(this.#sizeBytes, offsetBytes + into.length);
    const first = Math.floor(offsetBytes / IMAGE_RANGE_BYTES);
    // Zero frames are not stored, and tables are read first, so a small step forward is still ascending.
    const ascends = offsetBytes >= this.#lastEndBytes && offsetBytes - this.#lastEndBytes < IMAGE_RANGE_BYTES;
    this.#lastEndBytes = Math.max(this.#lastEndBytes, endBytes);
    if (!ascends && !this.#ranges.has(first)) {
      this.#lastEndBytes = endBytes;
      return this.#bucket.read(this.#key, offsetBytes, into.subarray(0, Math.max(0, endBytes - offsetBytes)));
    }
    let doneBytes = 0;
    while (offsetBytes + doneBytes < endBytes) {
      const at = offsetBytes + doneBytes;
      const index = Math.floor(at / IMAGE_RANGE_BYTES);
      const range = this.#rangeAt(index);
      this.#readAhead(index);
      const start = at - index * IMAGE_RANGE_BYTES;
      const length = Math.min(endBytes - at, IMAGE_RANGE_BYTES - start);
      const found = Math.min(length, (await range.done) - start);
      if (found <= 0) break;
      into.set(range.bytes.subarray(start, start + found), doneBytes);
      doneBytes += found;
      if (found < length) break;
    }
    return doneBytes;
  }

  /** Resolves when nothing is being read any more. */
  async close(): Promise<void> {
    const ranges = [...this.#ranges.values()];
    this.#ranges.clear();
    await Promise.allSettled(ranges.map(({ done }) => done));
  }

  #readAhead(index: number): void {
    for (let next = index + 1; next <= index + IMAGE_RANGES_AHEAD; next++) {
      if (next * IMAGE_RANGE_BYTES < this.#sizeBytes) this.#rangeAt(next);
    }
    // The one before may still be read by a neighbour.
    for (const key of this.#ranges.keys()) {
      if (key < index - 1 || key > index + IMAGE_RANGES_AHEAD + 1) this.#ranges.delete(key);
    }
  }

  #rangeAt(index: number): Range {
    const known = this.#ranges.get(index);
    if (known !== undefined) return known;
    const start = index * IMAGE_RANGE_BYTES;
    const bytes = new Uint8Array(Math.min(IMAGE_RANGE_BYTES, this.#sizeBytes - start));
    const done = this.#bucket.read(this.#key, start, bytes);
    // Whoever needs the range gets the error, and the next one asks anew.
    done.catch(() => this.#ranges.delete(index));
    const range = { bytes, done };
    this.#ranges.set(index, range);
    return range;
  }
}
