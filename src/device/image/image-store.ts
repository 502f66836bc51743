/**
 * Where hibernation images are kept: what the device asks of a store, which is handed in. A store knows names
 * and bytes, nothing of what an image says; the server gives a directory.
 *
 * An image is PARTIAL while it is written, SEALED from one atomic, durable step on, CLAIMED while one
 * device restores it, and CONSUMED once that device owns the state. Whatever kills the process, each is in
 * exactly one of these states.
 *
 * `seal`, `abandon`, `claim`, `giveBack`, `commit` and `own` are the writes of ownership, each one atomic
 * step. A store throws OWNERSHIP_IN_DOUBT when it cannot tell whether a write took effect, and any other
 * reason only when it did not. Each may be repeated. A write without an answer may still take effect, but
 * never after a later one was answered.
 */

export type ImageState = "SEALED" | "CLAIMED" | "CONSUMED";

/** Who claimed or consumed an image, and when. */
export interface ImageHolder {
  /** Of the daemon: another one each time that it starts. */
  readonly incarnation: string;
  /** Name of the device. */
  readonly device: string;
  readonly timeNs: bigint;
}

/** The state of a device, whatever the device is called. */
export interface StateId {
  /** A new one whenever the content is given up. */
  readonly uid: string;
  /** Rises with each claim of an image. */
  readonly generation: number;
}

/** The state that the device of this name has. */
export interface OwnedState extends StateId {
  readonly device: string;
}

/** The state that an image holds. */
export interface ImagedState extends OwnedState {
  /** Number that the next transition of the device gets. */
  readonly nextTransitionId: number;
}

/** Reads of one image, by offset. */
export interface ImageFile {
  readonly sizeBytes: number;
  /**
   * Fills `into` whole.
   * @throws DeviceError IMAGE_CORRUPT when the image ends before, COPY_FAILED when it cannot be read.
   */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** An image that is being written. Exactly one of `seal` and `abandon` ends it. */
export interface ImageDraft extends Omit<ImageFile, "sizeBytes"> {
  readonly id: string;
  /**
   * Resolves when the bytes have been handed to the system.
   * @throws DeviceError IMAGE_STORE_FULL, COPY_FAILED.
   */
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when every byte written so far survives a power cut. */
  sync(): Promise<void>;
  /**
   * Makes it a sealed image, durably and in one step, and marks older sealed images of the same uid
   * consumed.
   */
  seal(): Promise<void>;
  /**
   * Gives it up; nothing of it is left. Legal after a failure of any of the others: after a `seal` in doubt
   * its success proves that the image is not sealed.
   * @throws DeviceError IMAGE_CLAIMED, IMAGE_CONSUMED when it was sealed and another device took it.
   */
  abandon(): Promise<void>;
}

export interface ImageStore {
  /**
   * Begins an image. Makes room by removing consumed images, if it has to and may.
   * @param bytesMax the most that it will take
   * @throws DeviceError IMAGE_STORE_FULL before the first byte when that does not fit.
   */
  create(state: ImagedState, bytesMax: number): Promise<ImageDraft>;
  /** Whether `create` would find room, without making any. @throws DeviceError as `create`. */
  requireRoom(bytesMax: number): Promise<void>;
  /** Whether `claim` would be granted, without making it. @throws DeviceError as `claim`. */
  requireClaimable(id: string, device: string): Promise<void>;
  /**
   * Claims an image for the device of this name, durably, before anybody reads a byte of it. Legal again
   * for the device that holds the claim. Answers how often the image has been claimed by now.
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, IMAGE_CONSUMED, IMAGE_IN_USE when another device of
   *   the daemon is suspended to it, COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  claim(id: string, device: string): Promise<number>;
  /**
   * Ends the claim of the device: the image is SEALED again. No-op without one.
   * @throws DeviceError COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  giveBack(id: string, device: string): Promise<void>;
  /**
   * Marks an image consumed, durably: one that the device claimed or sealed. From here on the device owns
   * `state`. No-op when the device has done so before.
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, IMAGE_CONSUMED, COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  commit(id: string, state: OwnedState): Promise<void>;
  /**
   * Remembers that the device begins anew, without an image.
   * @throws DeviceError COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  own(state: OwnedState): Promise<void>;
  /** Opens an image that is not consumed. @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CONSUMED. */
  open(id: string): Promise<ImageFile>;
}

/** Makes frames smaller and back. Handed in, because the device knows no compression. */
export interface FrameCodec {
  /** What the header of the image says: 1 is zstd. */
  readonly id: number;
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /** @throws Error when these are no compressed bytes, or not `lengthBytes` of them. */
  decompress(bytes: Uint8Array, lengthBytes: number): Promise<Uint8Array>;
}
