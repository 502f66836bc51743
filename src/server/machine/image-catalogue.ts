/** The hibernation images of a daemon, as its wires show them. */
import type { ImageHolder, ImageState, SealedImage, SuspendCause } from "../../device/mod.ts";

export interface ImageCatalogue {
  /**
   * Every image, without what only its content says; ordered by id, so those of one device by age.
   * @throws DeviceError COPY_FAILED
   */
  list(): Promise<readonly ImageRecord[]>;
  /** @throws DeviceError IMAGE_NOT_FOUND, COPY_FAILED */
  get(id: string): Promise<ImageRecord>;
  /** What the content says; undefined when it cannot be read as an image. */
  describe(id: string): Promise<ImageFacts | undefined>;
  /**
   * Removes an image that nobody uses: who calls has made sure.
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, COPY_FAILED
   */
  delete(id: string): Promise<void>;
}

/** What name and file say of an image. */
export interface ImageRecord {
  readonly id: string;
  /** Name of the device that it is of. */
  readonly device: string;
  readonly state: ImageState;
  /** Who restores it now; undefined unless it is CLAIMED. */
  readonly claimedBy: ImageHolder | undefined;
  /**
   * Who resumed from it, or gave it up; undefined unless it is CONSUMED, and where an earlier version did
   * that.
   */
  readonly consumedBy: ImageHolder | undefined;
  readonly createTimeNs: bigint;
  readonly sizeBytes: number;
}

/** What its content says. */
export interface ImageFacts {
  /** `1.0`. */
  readonly formatVersion: string;
  /** Of the state that it holds. */
  readonly deviceUid: string;
  /** 0 when a version wrote it that had none. */
  readonly generation: number;
  /** Who had the device hibernated; undefined when a version wrote it that did not say. */
  readonly cause: SuspendCause | undefined;
  /** Number that the next transition of the device gets. */
  readonly nextTransitionId: number;
  readonly hybrid: boolean;
  /** 0 is none, else the id of a FrameCodec. */
  readonly codec: number;
  readonly objects: number;
  /** Before compression. */
  readonly contentBytes: number;
}

/** What a scrape shows. */
export interface ImageUsage {
  readonly images: number;
  readonly bytes: number;
  /** What new images can take: of the disk, or of the quota if that is less; undefined where nobody says. */
  readonly freeBytes: number | undefined;
}

/** The image with which a device begins, and who had it written. */
export interface OwnImage extends SealedImage {
  /** Undefined when a version wrote it that did not say, or when it cannot be read. */
  readonly cause: SuspendCause | undefined;
}
