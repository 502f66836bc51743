/**
 * Reads frames from an image. It reads ahead in windows of about 1 MiB, and decompresses frames while earlier
 * ones are used. Ascending frames are fastest; any other order works too.
 */
import { crc32cOf } from "../hardware/crc32c.ts";
import {
  IMAGE_CODEC_JOBS_MAX,
  IMAGE_READ_BUFFERS,
  IMAGE_WRITE_BYTES,
  WALK_SLICE_OBJECTS,
} from "../limits.ts";
import { giveBuffer, takeBuffer } from "./buffers.ts";
import { imageCorrupt } from "./image-error.ts";
import { FRAME_COMPRESSED } from "./image-format.ts";
import type { FrameCodec, ImageFile } from "./image-store.ts";
import type { FrameRecord } from "./records.ts";
import type { ImageTable } from "./table.ts";

/** A run of frames with at most IMAGE_WRITE_BYTES of raw bytes, in a buffer. */
interface Window {
  /** The first frame, and the one after the last. */
  readonly first: number;
  readonly end: number;
  readonly startBytes: number;
  readonly buffer: Uint8Array;
  /** The contents of compressed frames, or the error of reading them. */
  readonly decompressed: Map<number, Uint8Array | Error>;
  /** Resolves when everything has been read. */
  ready: Promise<void>;
}

export class ImageInput {
  readonly #file: Pick<ImageFile, "read">;
  readonly #table: ImageTable;
  readonly #codec: FrameCodec | undefined;
  readonly #frameCount: number;
  /** The current window and those read ahead. */
  #windows: Window[] = [];

  constructor(file: Pick<ImageFile, "read">, table: ImageTable, codec: FrameCodec | undefined) {
    this.#file = file;
    this.#table = table;
    this.#codec = codec;
    this.#frameCount = table.count("FRAMES");
  }

  /**
   * The raw bytes of a stored frame, valid until the next call. The caller must check the checksum of the
   * bytes where it has put them. Compressed bytes were already checked.
   * @throws DeviceError IMAGE_CORRUPT, COPY_FAILED.
   */
  async take(frame: number, record: FrameRecord): Promise<Uint8Array> {
    const window = await this.#windowOf(frame);
    this.#readAhead();
    await window.ready;
    if (record.form === FRAME_COMPRESSED) {
      const bytes = window.decompressed.get(frame);
      if (bytes instanceof Uint8Array) return bytes;
      throw imageCorrupt(`${this.#table.frameName(frame)} ${bytes?.message}`, bytes?.cause);
    }
    const at = record.offsetBytes - window.startBytes;
    return window.buffer.subarray(at, at + record.storedBytes);
  }

  /** Discards what was read ahead. Resolves when nothing is being read any more, whatever the results. */
  async reset(): Promise<void> {
    await this.#giveUp(this.#windows.length);
  }

  /** Discards the windows before the one with this frame, or all of them if none has it. */
  async #windowOf(frame: number): Promise<Window> {
    const at = this.#windows.findIndex(({ first, end }) => frame >= first && frame < end);
    await this.#giveUp(at === -1 ? this.#windows.length : at);
    return this.#windows[0] ?? this.#start(frame);
  }

  /** Discards the first `count` windows. Their buffers become free when nothing is being read into them. */
  async #giveUp(count: number): Promise<void> {
    for (const { ready, buffer } of this.#windows.splice(0, count)) {
      await Promise.allSettled([ready]);
      giveBuffer(buffer);
    }
  }

  #readAhead(): void {
    for (let last = this.#windows.at(-1); last !== undefined; last = this.#windows.at(-1)) {
      if (last.end === this.#frameCount || this.#windows.length === IMAGE_READ_BUFFERS) return;
      this.#start(last.end);
    }
  }

  #start(first: number): Window {
    const startBytes = this.#table.frame(first).offsetBytes;
    let rawBytes = 0;
    let storedBytes = 0;
    let end = first;
    for (; end < this.#frameCount && end - first < WALK_SLICE_OBJECTS; end++) {
      const frame = this.#table.frame(end);
      if (frame.storedBytes === 0) continue;
      if (rawBytes + frame.rawBytes > IMAGE_WRITE_BYTES) break;
      rawBytes += frame.rawBytes;
      storedBytes += frame.storedBytes;
    }
    const window: Window = {
      first,
      end,
      startBytes,
      buffer: takeBuffer(),
      decompressed: new Map(),
      ready: NOTHING,
    };
    window.ready = this.#fill(window, storedBytes);
    // Whoever needs the window gets the error. Until then it must not count as unhandled.
    window.ready.catch(() => {});
    this.#windows.push(window);
    return window;
  }

  async #fill(window: Window, storedBytes: number): Promise<void> {
    if (storedBytes > 0) await this.#file.read(window.startBytes, window.buffer.subarray(0, storedBytes));
    if (this.#codec === undefined) return;
    const frames = this.#compressedOf(window);
    const jobs = Array.from({ length: IMAGE_CODEC_JOBS_MAX }, async () => {
      for (const frame of frames) window.decompressed.set(frame, await this.#decompress(window, frame));
    });
    await Promise.all(jobs);
  }

  *#compressedOf({ first, end }: Window): Generator<number, undefined> {
    for (let frame = first; frame < end; frame++) {
      if (this.#table.frame(frame).form === FRAME_COMPRESSED) yield frame;
    }
  }

  async #decompress(window: Window, frame: number): Promise<Uint8Array | Error> {
    const { offsetBytes, storedBytes, storedCrc32c, rawBytes } = this.#table.frame(frame);
    const at = offsetBytes - window.startBytes;
    const stored = window.buffer.subarray(at, at + storedBytes);
    if (crc32cOf(stored) !== storedCrc32c) return new Error("does not have the checksum that it had");
    try {
      const raw = await this.#codec?.decompress(stored, rawBytes);
      if (raw?.length === rawBytes) return raw;
    } catch (error) {
      return new Error("cannot be decompressed", { cause: error });
    }
    return new Error(`does not decompress to its ${rawBytes} bytes`);
  }
}

const NOTHING = Promise.resolve();
