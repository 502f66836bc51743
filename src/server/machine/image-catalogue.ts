/** The hibernation images of a daemon as its wires show them. */
import type { ImageHolder, ImageState, ImageStore, SealedImage, SuspendCause } from "../../device/mod.ts";

/** The store of a daemon: what its devices and its wires require, and what its start asks. */
export interface DaemonImages extends ImageStore, ImageCatalogue {
  readonly kind: "directory" | "s3";
  /** Images that an earlier process left unfinished and that were removed at start. */
  readonly partialsRemoved: number;
  /**
   * The image with the state that the device of this name had last; undefined if it is not here. Called
   * during the start.
   * @throws DeviceError COPY_FAILED
   */
  findOwn(device: string): Promise<OwnImage | undefined>;
  /** Ids of sealed images in which no device of this daemon sleeps, if they are news for its operator. */
  others(): Promise<readonly string[]>;
  /** Called for each scrape. @throws DeviceError COPY_FAILED */
  usage(): Promise<ImageUsage>;
}

export interface ImageCatalogue {
  /**
   * Every image, without the details that only its content has. Ordered by id, so those of one device are
   * ordered by age.
   * @throws DeviceError COPY_FAILED
   */
  list(): Promise<readonly ImageRecord[]>;
  /** @throws DeviceError IMAGE_NOT_FOUND, COPY_FAILED */
  get(id: string): Promise<ImageRecord>;
  /** Details from the content; undefined if it cannot be read as an image. */
  describe(id: string): Promise<ImageFacts | undefined>;
  /**
   * Removes an image. The caller has made sure that nobody uses it.
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, COPY_FAILED
   */
  delete(id: string): Promise<void>;
}

/** The facts in an image's name and file. */
export interface ImageRecord {
  readonly id: string;
  /** Name of its device. */
  readonly device: string;
  readonly state: ImageState;
  /** The device that is restoring it; undefined unless it is CLAIMED. */
  readonly claimedBy: ImageHolder | undefined;
  /**
   * The device that resumed from it or gave it up; undefined unless it is CONSUMED, or if an earlier version
   * consumed it.
   */
  readonly consumedBy: ImageHolder | undefined;
  readonly createTimeNs: bigint;
  readonly sizeBytes: number;
}

/** The facts in its content. */
export interface ImageFacts {
  /** `1.0`. */
  readonly formatVersion: string;
  /** The generation of the state that it holds. */
  readonly deviceUid: string;
  /** 0 if it was written by a version without this number. */
  readonly generation: number;
  /** Who requested the hibernation; undefined if it was written by a version that did not record this. */
  readonly cause: SuspendCause | undefined;
  /** The number of the device's next transition. */
  readonly nextTransitionId: number;
  readonly hybrid: boolean;
  /** 0 for none, else the id of a FrameCodec. */
  readonly codec: number;
  readonly objects: number;
  /** Before compression. */
  readonly contentBytes: number;
}

/** The facts for a scrape. */
export interface ImageUsage {
  readonly images: number;
  readonly bytes: number;
  /** Space for new images, on the disk or within the quota, whichever is less; undefined if unknown. */
  readonly freeBytes: number | undefined;
}

/** The image from which a device starts, and who requested it. */
export interface OwnImage extends SealedImage {
  /** Undefined if it was written by a version that did not record this, or cannot be read. */
  readonly cause: SuspendCause | undefined;
}
