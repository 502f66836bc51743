/**
 * Frames on their way out of an image: read ahead in windows of about 1 MiB, decompressed while earlier ones
 * are used. Fastest for ascending frames; any other order is right too.
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

/** A run of frames whose raw bytes are IMAGE_WRITE_BYTES at the most, in a buffer. */
interface Window {
  /** First frame, and the one after the last. */
  readonly first: number;
  readonly end: number;
  readonly startBytes: number;
  readonly buffer: Uint8Array;
  /** What compressed frames were, or why that cannot be known. */
  readonly decompressed: Map<number, Uint8Array | Error>;
  /** Resolves when everything is there. */
  ready: Promise<void>;
}

export class ImageInput {
  readonly #file: Pick<ImageFile, "read">;
  readonly #table: ImageTable;
  readonly #codec: FrameCodec | undefined;
  readonly #frameCount: number;
  /** The one in use, and those ahead of it. */
  #windows: Window[] = [];

  constructor(file: Pick<ImageFile, "read">, table: ImageTable, codec: FrameCodec | undefined) {
    this.#file = file;
    this.#table = table;
    this.#codec = codec;
    this.#frameCount = table.count("FRAMES");
  }

  /**
   * The raw bytes of a frame that is stored, legal to read until the next call. Whether they have the
   * checksum is the caller's to find out, where it has put them; what was compressed had it before.
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

  /** Gives up what was read ahead. Resolves when nothing is being read any more, whatever came of it. */
  async reset(): Promise<void> {
    await this.#giveUp(this.#windows.length);
  }

  /** Gives up the windows before the one that has the frame, or all of them when none has. */
  async #windowOf(frame: number): Promise<Window> {
    const at = this.#windows.findIndex(({ first, end }) => frame >= first && frame < end);
    await this.#giveUp(at === -1 ? this.#windows.length : at);
    return this.#windows[0] ?? this.#start(frame);
  }

  /** Gives up the first so many windows; their buffers are free when nothing is read into them any more. */
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
    // Whoever needs the window meets the failure; until then it is not an unhandled one.
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
