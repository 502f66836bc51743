/**
 * The content of objects as streams, for both wires. Each chunk is a command of its own, so a transition
 * waits for one chunk at most, and an open stream pauses while the device sleeps.
 */
import { CONTENT_CHUNK_BYTES_MAX } from "../../device/limits.ts";
import { CONTENT_CHUNK_BYTES_DEFAULT } from "../limits.ts";
import type { HoldWish } from "../messages/hold.ts";
import { toFailure, WireError } from "../messages/wire-error.ts";
import type { DeviceHandle } from "./devices.ts";

/** For every chunk but the first: the stream pauses during a transition. */
const PAUSE: HoldWish = { hold: "until-active" };

/** An object on its device, and what its first chunk does during a transition. */
export interface ContentTarget extends HoldWish {
  readonly device: DeviceHandle;
  readonly object: string;
}

export interface ContentSpan {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** The size of the object. This is metadata and legal in every state. */
export async function contentSize({ device, object }: ContentTarget): Promise<number> {
  return (await device.execute({ type: "getObject", object })).sizeBytes;
}

/**
 * Checks that a span lies within an object. Without `lengthBytes` it extends to the end.
 * @throws WireError INVALID_RANGE
 */
export function spanWithin(
  sizeBytes: number,
  offsetBytes: number,
  lengthBytes: number | undefined,
): ContentSpan {
  const length = lengthBytes ?? sizeBytes - offsetBytes;
  if (offsetBytes >= 0 && length >= 0 && offsetBytes + length <= sizeBytes) {
    return { offsetBytes, lengthBytes: length };
  }
  const range = lengthBytes === undefined ? "Offset" : `Range of ${length} bytes at offset`;
  throw new WireError(
    "INVALID_RANGE",
    `${range} ${offsetBytes} is not inside the object, which has ${sizeBytes} bytes.`,
    {
      offset: String(offsetBytes),
      size: String(sizeBytes),
      ...(lengthBytes === undefined ? {} : { length: String(length) }),
    },
  );
}

export interface ReadOptions {
  /** @default CONTENT_CHUNK_BYTES_DEFAULT */
  readonly chunkBytes?: number;
  /** Provides the memory for a chunk of `lengthBytes`. The reader owns it again when it has the chunk. */
  readonly roomFor: (lengthBytes: number) => Uint8Array | Promise<Uint8Array>;
}

/** Reads a span chunk by chunk, each only when the consumer asks for it. */
export async function* readContent(
  { device, object, ...wish }: ContentTarget,
  { offsetBytes, lengthBytes }: ContentSpan,
  { chunkBytes = CONTENT_CHUNK_BYTES_DEFAULT, roomFor }: ReadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const endBytes = offsetBytes + lengthBytes;
  // The device decides whether the object can be read now, even if the span is empty.
  if (lengthBytes === 0)
    await device.execute({ type: "readObject", object, offsetBytes, lengthBytes, ...wish });
  for (let at = offsetBytes; at < endBytes; at += chunkBytes) {
    const into = await roomFor(Math.min(chunkBytes, endBytes - at));
    yield await device.execute({
      type: "readObject",
      object,
      offsetBytes: at,
      lengthBytes: into.byteLength,
      into,
      ...wish,
      ...(at === offsetBytes ? {} : PAUSE),
    });
  }
}

/**
 * One upload: begin, write as often as needed, finish. Nothing is held between these calls, so an unfinished
 * upload leaves the bytes that were written and no lock.
 */
export class ContentUpload {
  readonly #target: ContentTarget;
  readonly #offsetBytes: number;
  readonly #declaredBytes: number | undefined;
  #bytesWritten = 0;

  /** @param declaredBytes how much will be written in all; undefined if unknown. */
  constructor(target: ContentTarget, offsetBytes: number, declaredBytes: number | undefined) {
    this.#target = target;
    this.#offsetBytes = offsetBytes;
    this.#declaredBytes = declaredBytes;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Lets the device refuse content that cannot fit before the first byte. */
  async begin(): Promise<void> {
    const { device: _device, object: _object, ...wish } = this.#target;
    await this.#writeChunk(new Uint8Array(0), wish, this.#declaredBytes);
  }

  /** Writes the next bytes. Bytes that arrived are kept, even if their client has left since. */
  async write(data: Uint8Array): Promise<void> {
    if (this.#declaredBytes !== undefined && this.#bytesWritten + data.byteLength > this.#declaredBytes) {
      throw this.#lengthError(`carries more than the declared ${this.#declaredBytes} bytes`);
    }
    for (let at = 0; at < data.byteLength; at += CONTENT_CHUNK_BYTES_MAX) {
      const wish = { ...PAUSE, caller: this.#target.caller };
      await this.#writeChunk(data.subarray(at, at + CONTENT_CHUNK_BYTES_MAX), wish);
    }
  }

  /** Checks that the declared number of bytes was written. */
  finish(): void {
    if (this.#declaredBytes === undefined || this.#bytesWritten === this.#declaredBytes) return;
    throw this.#lengthError(`ended after ${this.#bytesWritten} of the declared ${this.#declaredBytes} bytes`);
  }

  async #writeChunk(data: Uint8Array, wish: HoldWish, declaredBytes?: number): Promise<void> {
    const { device, object } = this.#target;
    const offsetBytes = this.#offsetBytes + this.#bytesWritten;
    try {
      const result = await device.execute({
        type: "writeObject",
        object,
        offsetBytes,
        data,
        ...wish,
        ...(declaredBytes === undefined ? {} : { declaredBytes }),
      });
      this.#bytesWritten += result.bytesWritten;
    } catch (error) {
      // The caller must learn how much of the upload reached the object.
      const { reason, message, metadata } = toFailure(error);
      throw new WireError(reason, message, { ...metadata, ...this.#progress() }).because(error);
    }
  }

  #lengthError(what: string): WireError {
    return new WireError("INVALID_SIZE", `The upload ${what}.`, this.#progress());
  }

  #progress(): Record<string, string> {
    return { bytesWritten: String(this.#bytesWritten) };
  }
}
