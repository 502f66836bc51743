/**
 * Writes the bytes of an image to its draft through a few large buffers. One is filled while the others are
 * written.
 */
import assert from "node:assert/strict";
import type { DeviceFailpoints } from "../failpoints.ts";
import { IMAGE_WRITE_BUFFERS, IMAGE_WRITE_BYTES } from "../limits.ts";
import { giveBuffer, takeBuffer } from "./buffers.ts";
import type { ImageDraft } from "./image-store.ts";

export interface ImageOutputOptions {
  readonly draft: ImageDraft;
  readonly failpoints: DeviceFailpoints;
  /** Called before each write. Throws to stop the writing. */
  readonly check: () => void;
  /** The offset of the first byte. */
  readonly startBytes: number;
}

interface Buffer {
  /** Allocated on first use, because small images fill few of them. */
  bytes: Uint8Array | undefined;
  written: Promise<void>;
}

export class ImageOutput {
  readonly #options: ImageOutputOptions;
  readonly #buffers: Buffer[];
  #current = 0;
  /** The offset of the current buffer, and how much of it is filled. */
  #startBytes: number;
  #used = 0;

  constructor(options: ImageOutputOptions) {
    this.#options = options;
    this.#startBytes = options.startBytes;
    this.#buffers = Array.from({ length: IMAGE_WRITE_BUFFERS }, () => ({
      bytes: undefined,
      written: Promise.resolve(),
    }));
  }

  /** The offset in the file of the next byte. */
  get positionBytes(): number {
    return this.#startBytes + this.#used;
  }

  /**
   * Makes `fill` write `lengthBytes` more bytes at once, in one piece.
   * @throws the errors of `check` and the draft, including those of earlier writes.
   */
  async append(lengthBytes: number, fill: (into: Uint8Array) => void): Promise<void> {
    assert(lengthBytes <= IMAGE_WRITE_BYTES, "what is appended fits a buffer");
    if (this.#used + lengthBytes > IMAGE_WRITE_BYTES) await this.#flush();
    const buffer = this.#buffers[this.#current];
    buffer.bytes ??= takeBuffer();
    fill(buffer.bytes.subarray(this.#used, this.#used + lengthBytes));
    this.#used += lengthBytes;
  }

  /** Resolves when everything is written. */
  async finish(): Promise<void> {
    await this.#flush();
    await Promise.all(this.#buffers.map(({ written }) => written));
  }

  /** Writes somewhere other than the end, and waits for it. */
  async writeAt(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await this.#pass();
    await this.#write(offsetBytes, bytes);
  }

  /** Resolves when no write is in progress, whatever the results. Nothing may be appended after that. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#buffers.map(({ written }) => written));
    for (const { bytes } of this.#buffers.splice(0)) if (bytes !== undefined) giveBuffer(bytes);
  }

  async #flush(): Promise<void> {
    const buffer = this.#buffers[this.#current];
    if (this.#used === 0 || buffer.bytes === undefined) return;
    await this.#pass();
    buffer.written = this.#write(this.#startBytes, buffer.bytes.subarray(0, this.#used));
    // Whoever needs the buffer again gets the error. Until then it must not count as unhandled.
    buffer.written.catch(() => {});
    this.#startBytes += this.#used;
    this.#used = 0;
    this.#current = (this.#current + 1) % this.#buffers.length;
    await this.#buffers[this.#current].written;
  }

  async #pass(): Promise<void> {
    this.#options.check();
    await this.#options.failpoints.pass("image.write");
  }

  async #write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    const { draft, failpoints } = this.#options;
    const kept = failpoints.fires("image.short") ? bytes.subarray(0, bytes.length >> 1) : bytes;
    await draft.write(offsetBytes, kept);
  }
}
