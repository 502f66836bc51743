/**
 * The store of hibernation images: what the device requires of it. The store is handed in, and knows names
 * and bytes but not the contents of images. The server's store is a directory.
 *
 * An image is PARTIAL while it is written, SEALED after one atomic, durable step, CLAIMED while one device
 * restores it, and CONSUMED once that device owns the state. Whatever kills the process, each image is in
 * exactly one of these states.
 *
 * `seal`, `abandon`, `claim`, `giveBack`, `commit` and `own` are the writes of ownership. Each is one atomic
 * step and may be repeated. A store throws OWNERSHIP_IN_DOUBT if it cannot tell whether a write took effect,
 * and other reasons only if it did not. A write without an answer may still take effect, but never after a
 * later one was answered.
 */

export type ImageState = "SEALED" | "CLAIMED" | "CONSUMED";

/** The device that claimed or consumed an image, and when. */
export interface ImageHolder {
  /** Identifies the run of the daemon, and differs at each start. */
  readonly incarnation: string;
  /** Name of the device. */
  readonly device: string;
  readonly timeNs: bigint;
}

/** The state of a device, whatever the device's name. */
export interface StateId {
  /** A new one whenever the content is given up. */
  readonly uid: string;
  /** Increases with each claim of an image. */
  readonly generation: number;
}

/** The state of the device with this name. */
export interface OwnedState extends StateId {
  readonly device: string;
}

/** The state that an image holds. */
export interface ImagedState extends OwnedState {
  /** The number of the device's next transition. */
  readonly nextTransitionId: number;
}

/** Reads of one image, by offset. */
export interface ImageFile {
  readonly sizeBytes: number;
  /**
   * Fills all of `into`.
   * @throws DeviceError IMAGE_CORRUPT if the image ends before, COPY_FAILED if it cannot be read.
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
  /** Seals the image in one durable step, and marks older sealed images of the same uid consumed. */
  seal(): Promise<void>;
  /**
   * Discards the image completely. Legal after a failure of any other method: after a `seal` in doubt,
   * success proves that the image is not sealed.
   * @throws DeviceError IMAGE_CLAIMED, IMAGE_CONSUMED if it was sealed and another device took it.
   */
  abandon(): Promise<void>;
}

export interface ImageStore {
  /**
   * Begins an image. Removes consumed images to make room if needed and allowed.
   * @param bytesMax the largest size that it can reach
   * @throws DeviceError IMAGE_STORE_FULL before the first byte if that does not fit.
   */
  create(state: ImagedState, bytesMax: number): Promise<ImageDraft>;
  /** Whether `create` would find room. Removes nothing. @throws DeviceError like `create`. */
  requireRoom(bytesMax: number): Promise<void>;
  /** Whether `claim` would succeed. Claims nothing. @throws DeviceError like `claim`. */
  requireClaimable(id: string, device: string): Promise<void>;
  /**
   * Claims an image durably for the device with this name, before anybody reads a byte of it. Legal again for
   * the device that holds the claim. Returns how often the image has been claimed.
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, IMAGE_CONSUMED, IMAGE_IN_USE if another device of the
   * daemon is suspended to it, COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  claim(id: string, device: string): Promise<number>;
  /**
   * Ends the device's claim, so that the image is SEALED again. Does nothing without a claim.
   * @throws DeviceError COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  giveBack(id: string, device: string): Promise<void>;
  /**
   * Durably marks an image consumed that the device claimed or sealed. From now on the device owns `state`.
   * Does nothing if the device has already done so.
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, IMAGE_CONSUMED, COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  commit(id: string, state: OwnedState): Promise<void>;
  /**
   * Stores that the device starts again without an image.
   * @throws DeviceError COPY_FAILED, OWNERSHIP_IN_DOUBT.
   */
  own(state: OwnedState): Promise<void>;
  /** Opens an image that is not consumed. @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CONSUMED. */
  open(id: string): Promise<ImageFile>;
}

/** Compresses and decompresses frames. Handed in, because the device has no compression of its own. */
export interface FrameCodec {
  /** The codec's number in the header of the image: 1 is zstd. */
  readonly id: number;
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /** @throws Error if the bytes are not compressed, or do not expand to `lengthBytes`. */
  decompress(bytes: Uint8Array, lengthBytes: number): Promise<Uint8Array>;
}
