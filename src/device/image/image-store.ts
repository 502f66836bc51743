/**
 * Where hibernation images are kept: what the device asks of a store, which is handed in. A store knows names and bytes,
 * nothing of what an image says; the server gives a directory.
 *
 * An image is PARTIAL while it is written, SEALED from one atomic, durable step on, and CONSUMED from another one on.
 * Whatever kills the process, each is in exactly one of these states afterwards.
 */

export type ImageState = "SEALED" | "CONSUMED";

/** Reads of one image, by offset. */
export interface ImageFile {
  readonly sizeBytes: number;
  /** Fills `into` whole. @throws DeviceError IMAGE_CORRUPT when the image ends before, COPY_FAILED when it cannot be read. */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** An image that is being written. Exactly one of `seal` and `abandon` ends it. */
export interface ImageDraft extends Omit<ImageFile, "sizeBytes"> {
  readonly id: string;
  /** Resolves when the bytes have been handed to the system. @throws DeviceError IMAGE_STORE_FULL, COPY_FAILED. */
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when every byte written so far survives a power cut. */
  sync(): Promise<void>;
  /** Makes it a sealed image, durably and in one step, and marks older sealed images of the device consumed. */
  seal(): Promise<void>;
  /** Gives it up; nothing of it is left. Legal also after a failure of any of the others. */
  abandon(): Promise<void>;
}

export interface ImageStore {
  /**
   * Begins an image of a device. Makes room by removing consumed images, if it has to and may.
   * @param bytesMax the most that it will take
   * @throws DeviceError IMAGE_STORE_FULL before the first byte when that does not fit.
   */
  create(device: string, bytesMax: number): Promise<ImageDraft>;
  /** Whether `create` would find room, without making any. @throws DeviceError as `create`. */
  requireRoom(bytesMax: number): Promise<void>;
  /** @throws DeviceError IMAGE_NOT_FOUND. */
  open(id: string): Promise<ImageFile>;
  /** Marks a sealed image consumed, durably. No-op when it is already. @throws DeviceError IMAGE_NOT_FOUND, COPY_FAILED. */
  consume(id: string): Promise<void>;
  /** The newest sealed image of a device; undefined when there is none. */
  findSealed(device: string): Promise<string | undefined>;
}

/** Makes frames smaller and back. Handed in, because the device knows no compression. */
export interface FrameCodec {
  /** What the header of the image says: 1 is zstd. */
  readonly id: number;
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /** @throws Error when these are no compressed bytes, or not `lengthBytes` of them. */
  decompress(bytes: Uint8Array, lengthBytes: number): Promise<Uint8Array>;
}
