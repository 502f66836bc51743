/** A hibernation image in memory: what a store gives to write to and to read from, with everything that happened to it. */
import { DeviceError, type ImageDraft, type ImageFile } from "../../src/device/mod.ts";

export class MemoryImage implements ImageDraft {
  readonly id = "img-1";
  bytes = new Uint8Array(0);
  /** Offset and length of each write, in the order in which they began. */
  readonly writes: { readonly offsetBytes: number; readonly lengthBytes: number }[] = [];
  synced = false;
  inFlight = 0;
  inFlightMost = 0;
  /** Number of the write, from 1, from which on there is no room. */
  fullAt = Number.POSITIVE_INFINITY;
  /** Turns of the event loop that a write takes. */
  writeTurns = 1;

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    const lengthBytes = bytes.length;
    this.writes.push({ offsetBytes, lengthBytes });
    const isFull = this.writes.length >= this.fullAt;
    this.inFlightMost = Math.max(this.inFlightMost, ++this.inFlight);
    for (let turn = 0; turn < this.writeTurns; turn++) await new Promise((resolve) => setImmediate(resolve));
    this.inFlight--;
    if (isFull) {
      throw new DeviceError(
        "IMAGE_STORE_FULL",
        `There is no room for ${lengthBytes} bytes at ${offsetBytes}.`,
      );
    }
    const end = offsetBytes + lengthBytes;
    if (end > this.bytes.length) {
      const grown = new Uint8Array(end);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes.set(bytes, offsetBytes);
    this.synced = false;
  }

  read(offsetBytes: number, into: Uint8Array): Promise<void> {
    return fileOf(this.bytes).read(offsetBytes, into);
  }

  async sync(): Promise<void> {
    this.synced = true;
  }

  async seal(): Promise<void> {}

  async abandon(): Promise<void> {}

  async close(): Promise<void> {}
}

/** A file of these bytes. */
export function fileOf(bytes: Uint8Array): ImageFile {
  return {
    sizeBytes: bytes.length,
    async read(offsetBytes, into) {
      if (offsetBytes + into.length > bytes.length) {
        throw new DeviceError("IMAGE_CORRUPT", `The image ends at ${bytes.length} bytes.`);
      }
      into.set(bytes.subarray(offsetBytes, offsetBytes + into.length));
    },
    async close() {},
  };
}
