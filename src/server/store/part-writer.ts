/**
 * Turns the writes of an image into parts of an upload. A few parts are in memory and on their way at a time.
 * The first part waits for the header, which is written last. Gaps are zeroes, as in a file.
 */
import assert from "node:assert/strict";
import { IMAGE_PART_BYTES, IMAGE_PARTS_IN_FLIGHT, IMAGE_PARTS_MAX } from "../daemon-limits.ts";
import type { Bucket, PartUpload } from "./bucket.ts";

export class PartWriter {
  readonly #bucket: Bucket;
  readonly #upload: PartUpload;
  readonly #bytesMax: number;
  readonly #partBytes: number;
  /** Parts that may still be written to, by index. */
  readonly #open = new Map<number, Uint8Array>();
  /** Tags by index. */
  readonly #tags: (string | undefined)[] = [];
  readonly #sending = new Set<Promise<void>>();
  /** Buffers of parts that were sent. */
  readonly #idle: Uint8Array[] = [];
  #failure: { readonly error: unknown } | undefined;
  #endBytes = 0;

  /** @param bytesMax the largest size that the image can reach */
  constructor(bucket: Bucket, upload: PartUpload, bytesMax: number) {
    this.#bucket = bucket;
    this.#upload = upload;
    this.#bytesMax = bytesMax;
    // A store accepts a limited number of parts, so those of a huge image are larger.
    const steps = Math.ceil(bytesMax / (IMAGE_PARTS_MAX * IMAGE_PART_BYTES));
    this.#partBytes = Math.max(1, steps) * IMAGE_PART_BYTES;
  }

  get endBytes(): number {
    return this.#endBytes;
  }

  /**
   * Copies the bytes. Resolves when there is room for more. Offsets ascend, except that the first part can
   * be written to until the end.
   * @throws BucketError of this or an earlier part
   */
  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.#requireNoFailure();
    for (let at = 0; at < bytes.length; ) {
      const index = Math.floor((offsetBytes + at) / this.#partBytes);
      const start = offsetBytes + at - index * this.#partBytes;
      const length = Math.min(bytes.length - at, this.#partBytes - start);
      this.#partAt(index).set(bytes.subarray(at, at + length), start);
      at += length;
    }
    this.#endBytes = Math.max(this.#endBytes, offsetBytes + bytes.length);
    this.#sendBefore(Math.floor(this.#endBytes / this.#partBytes));
    while (this.#sending.size > IMAGE_PARTS_IN_FLIGHT) await Promise.race(this.#sending);
    this.#requireNoFailure();
  }

  /** Sends the rest, the first part last. Nothing may be written after it. @throws BucketError */
  async finish(): Promise<void> {
    const count = Math.ceil(this.#endBytes / this.#partBytes);
    this.#sendBefore(count);
    await this.#settle();
    this.#requireNoFailure();
    const first = this.#open.get(0);
    if (first !== undefined) this.#send(0, first);
    await this.#settle();
    this.#requireNoFailure();
    const tags = this.#tags.map((tag) => tag ?? "");
    assert(tags.length === count && tags.every((tag) => tag !== ""), "every part was sent");
    await this.#bucket.completeUpload(this.#upload, tags);
  }

  /** Resolves when nothing is on its way any more. The upload is gone then. @throws BucketError */
  async abort(): Promise<void> {
    this.#failure ??= { error: new Error("the upload was given up") };
    await this.#settle();
    await this.#bucket.abortUpload(this.#upload);
  }

  #partAt(index: number): Uint8Array {
    const open = this.#open.get(index);
    if (open !== undefined) return open;
    assert(this.#tags[index] === undefined, "a part is not written to after it was sent");
    // A small image does not take a whole part.
    const roomBytes = Math.min(this.#partBytes, this.#bytesMax - index * this.#partBytes);
    assert(roomBytes > 0, "an image is no larger than was said");
    const buffer = this.#idle.pop()?.fill(0) ?? new Uint8Array(roomBytes);
    this.#open.set(index, buffer);
    return buffer;
  }

  /** Sends every part but the first that ends before part `end`, with those in which nothing was written. */
  #sendBefore(end: number): void {
    for (let index = Math.max(1, this.#tags.length); index < end; index++) {
      this.#send(index, this.#partAt(index));
    }
  }

  #send(index: number, buffer: Uint8Array): void {
    this.#open.delete(index);
    this.#tags[index] = "";
    const length = Math.min(this.#partBytes, this.#endBytes - index * this.#partBytes);
    const sending = this.#bucket
      .uploadPart(this.#upload, index + 1, buffer.subarray(0, length))
      .then((tag) => {
        this.#tags[index] = tag;
        this.#idle.push(buffer);
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #settle(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  #requireNoFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
