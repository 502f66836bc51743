/**
 * Prepares frames for an image: elides those that are zero, compresses those that a codec makes smaller, and
 * records all in the order in which they came.
 */
import assert from "node:assert/strict";
import { DeviceError } from "../errors.ts";
import { crc32cOf, crc32cOfZeroes } from "../hardware/crc32c.ts";
import { IMAGE_CODEC_JOBS_MAX, IMAGE_FRAME_BYTES } from "../limits.ts";
import { CODEC_RAW, FRAME_COMPRESSED, FRAME_RAW, FRAME_ZERO } from "./image-format.ts";
import type { FrameSource } from "./image-model.ts";
import type { FrameCodec } from "./image-store.ts";
import type { ImageOutput } from "./output.ts";
import type { ImageSections } from "./sections.ts";

/** A frame in the hands of the codec. Its buffer is free again when it has been written. */
interface Compressing {
  readonly raw: Uint8Array;
  readonly rawCrc32c: number;
  readonly compressed: Promise<Uint8Array>;
}

export class ImageFrames {
  readonly #output: ImageOutput;
  readonly #sections: ImageSections;
  readonly #codec: FrameCodec | undefined;
  readonly #compressing: Compressing[] = [];
  readonly #freeBuffers: Uint8Array[] = [];
  contentBytes = 0;
  zeroFrames = 0;

  constructor(output: ImageOutput, sections: ImageSections, codec: FrameCodec | undefined) {
    assert(codec?.id !== CODEC_RAW, "no codec calls itself none");
    this.#output = output;
    this.#sections = sections;
    this.#codec = codec;
  }

  /**
   * Accepts a frame. Its bytes may be reused when the returned promise resolves, or at once if none is
   * returned.
   * @throws the errors of the output; COPY_FAILED for the codec.
   */
  add(source: FrameSource): Promise<void> | undefined {
    const rawBytes = source.lengthBytes;
    assert(rawBytes > 0 && rawBytes <= IMAGE_FRAME_BYTES, "a frame has 1 to IMAGE_FRAME_BYTES");
    this.contentBytes += rawBytes;
    if (!source.isZero()) return this.#addData(source, rawBytes);
    // Earlier frames must be recorded first.
    if (this.#compressing.length > 0) return this.flush().then(() => this.#recordZero(rawBytes));
    this.#recordZero(rawBytes);
    return undefined;
  }

  /** Resolves when every accepted frame is recorded and handed to the output. */
  async flush(): Promise<void> {
    while (this.#compressing.length > 0) await this.#writeOldest();
  }

  /** Resolves when the codec is idle, whatever the results. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#compressing.map(({ compressed }) => compressed));
  }

  async #addData(source: FrameSource, rawBytes: number): Promise<void> {
    const rawCrc32c = source.crc32c();
    if (this.#codec === undefined) {
      await this.#output.append(rawBytes, (into) => source.copyTo(into));
      this.#recordRaw(rawBytes, rawCrc32c);
      return;
    }
    if (this.#compressing.length === IMAGE_CODEC_JOBS_MAX) await this.#writeOldest();
    const buffer = this.#freeBuffers.pop() ?? new Uint8Array(IMAGE_FRAME_BYTES);
    const raw = buffer.subarray(0, rawBytes);
    source.copyTo(raw);
    const compressed = this.#codec.compress(raw);
    // The error is handled when its turn comes. Until then it must not count as unhandled.
    compressed.catch(() => {});
    this.#compressing.push({ raw, rawCrc32c, compressed });
  }

  async #writeOldest(): Promise<void> {
    const [{ raw, rawCrc32c, compressed }] = this.#compressing;
    const stored = await compressed.catch((error: unknown) => {
      const sentence = "A frame of the hibernation image could not be compressed.";
      throw new DeviceError("COPY_FAILED", sentence).because(error);
    });
    this.#compressing.shift();
    if (stored.length > 0 && stored.length < raw.length) {
      await this.#output.append(stored.length, (into) => into.set(stored));
      this.#sections.addFrame({
        offsetBytes: this.#output.positionBytes - stored.length,
        storedBytes: stored.length,
        rawBytes: raw.length,
        rawCrc32c,
        storedCrc32c: crc32cOf(stored),
        form: FRAME_COMPRESSED,
      });
    } else {
      await this.#output.append(raw.length, (into) => into.set(raw));
      this.#recordRaw(raw.length, rawCrc32c);
    }
    this.#freeBuffers.push(new Uint8Array(raw.buffer));
  }

  #recordZero(rawBytes: number): void {
    this.zeroFrames++;
    this.#sections.addFrame({
      offsetBytes: this.#output.positionBytes,
      storedBytes: 0,
      rawBytes,
      rawCrc32c: crc32cOfZeroes(rawBytes),
      storedCrc32c: 0,
      form: FRAME_ZERO,
    });
  }

  #recordRaw(rawBytes: number, rawCrc32c: number): void {
    this.#sections.addFrame({
      offsetBytes: this.#output.positionBytes - rawBytes,
      storedBytes: rawBytes,
      rawBytes,
      rawCrc32c,
      storedCrc32c: rawCrc32c,
      form: FRAME_RAW,
    });
  }
}
