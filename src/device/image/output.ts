/**
 * The bytes of an image on their way to its draft: gathered in a few large buffers, of which one is filled
 * while the others are written.
 */
import assert from "node:assert/strict";
import type { DeviceFailpoints } from "../failpoints.ts";
import { IMAGE_WRITE_BUFFERS, IMAGE_WRITE_BYTES } from "../limits.ts";
import { giveBuffer, takeBuffer } from "./buffers.ts";
import type { ImageDraft } from "./image-store.ts";

export interface ImageOutputOptions {
  readonly draft: ImageDraft;
  readonly failpoints: DeviceFailpoints;
  /** Called before each write; throws when no more should be written. */
  readonly check: () => void;
  /** Where the first byte goes. */
  readonly startBytes: number;
}

interface Buffer {
  /** Taken when the first byte comes: small images fill few. */
  bytes: Uint8Array | undefined;
  written: Promise<void>;
}

export class ImageOutput {
  readonly #options: ImageOutputOptions;
  readonly #buffers: Buffer[];
  #current = 0;
  /** Where the current buffer goes, and how much of it is filled. */
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

  /** Where in the file the next byte goes. */
  get positionBytes(): number {
    return this.#startBytes + this.#used;
  }

  /**
   * Has `fill` fill so many bytes more, at once. They are in one piece.
   * @throws what `check` and the draft throw; also what an earlier write threw.
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

  /** Writes elsewhere than at the end, and waits for it. */
  async writeAt(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await this.#pass();
    await this.#write(offsetBytes, bytes);
  }

  /**
   * Resolves when nothing is on its way any more, whatever came of it. Nothing may be appended after that.
   */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#buffers.map(({ written }) => written));
    for (const { bytes } of this.#buffers.splice(0)) if (bytes !== undefined) giveBuffer(bytes);
  }

  async #flush(): Promise<void> {
    const buffer = this.#buffers[this.#current];
    if (this.#used === 0 || buffer.bytes === undefined) return;
    await this.#pass();
    buffer.written = this.#write(this.#startBytes, buffer.bytes.subarray(0, this.#used));
    // Whoever needs the buffer again meets the failure; until then it is not an unhandled one.
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
