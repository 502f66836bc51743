/** Space for images in a bucket: what the quota allows, minus what is there and what is being written. */
import { DeviceError, formatBytes } from "../../device/mod.ts";
import type { DeviceStates } from "../machine/device-states.ts";
import type { ImageUsage } from "../machine/image-catalogue.ts";
import type { ImageObserver } from "../machine/image-errors.ts";
import type { Bucket } from "./bucket.ts";
import { IMAGES, imagesAmong, type ListedImage } from "./image-keys.ts";
import { recordOf } from "./image-state.ts";
import type { Owners } from "./ownership-writes.ts";

export interface BucketRoomOptions {
  readonly bucket: Bucket;
  readonly states: DeviceStates;
  readonly quotaBytes: number | undefined;
  readonly observer: ImageObserver;
}

/** An image that is being written. */
interface Promised {
  readonly bytesMax: number;
  readonly draft: { readonly endBytes: number };
}

export class BucketRoom {
  readonly #options: BucketRoomOptions;
  readonly #promised = new Map<string, Promised>();

  constructor(options: BucketRoomOptions) {
    this.#options = options;
  }

  /** Reserves space until `release`. */
  promise(id: string, promised: Promised): void {
    this.#promised.set(id, promised);
  }

  release(id: string): void {
    this.#promised.delete(id);
  }

  /**
   * Returns consumed images whose removal would make room; none if it fits as it is.
   * @throws BucketError; DeviceError IMAGE_STORE_FULL if it would not fit without them
   */
  async require(bytesMax: number, owners: Owners): Promise<readonly ListedImage[]> {
    const { quotaBytes, bucket, observer } = this.#options;
    if (quotaBytes === undefined) return [];
    const images = imagesAmong(await bucket.list(IMAGES));
    const free = this.#freeOf(images, quotaBytes);
    if (bytesMax <= free) return [];
    const consumed = await this.#consumedAmong(images, owners);
    const most = free + sum(consumed.map(({ sizeBytes }) => sizeBytes));
    if (bytesMax <= most) return consumed;
    const left = formatBytes(Math.max(0, most));
    const message =
      `The image (up to ${formatBytes(bytesMax)}) is larger than the ${left} that the quota leaves in ` +
      `${bucket.name} once all consumed images of this host are removed.`;
    observer.onError?.("IMAGE_STORE_FULL");
    throw new DeviceError("IMAGE_STORE_FULL", message, { bytes: String(bytesMax) });
  }

  /** Removes consumed images of this host, oldest first, until `bytesMax` fit. @throws as `require` */
  async make(bytesMax: number, owners: Owners): Promise<void> {
    const { quotaBytes, bucket } = this.#options;
    const removable = await this.require(bytesMax, owners);
    if (quotaBytes === undefined || removable.length === 0) return;
    let free = this.#freeOf(imagesAmong(await bucket.list(IMAGES)), quotaBytes);
    for (const { key, sizeBytes } of removable) {
      if (bytesMax <= free) return;
      await bucket.remove(key);
      free += sizeBytes;
    }
  }

  /** @throws BucketError */
  async usage(): Promise<ImageUsage> {
    const { bucket, quotaBytes } = this.#options;
    const images = imagesAmong(await bucket.list(IMAGES));
    return {
      images: images.length,
      bytes: sum(images.map(({ sizeBytes }) => sizeBytes)),
      freeBytes: quotaBytes === undefined ? undefined : Math.max(0, this.#freeOf(images, quotaBytes)),
    };
  }

  #freeOf(images: readonly ListedImage[], quotaBytes: number): number {
    const promised = [...this.#promised.values()].map(({ bytesMax }) => bytesMax);
    return quotaBytes - sum(images.map(({ sizeBytes }) => sizeBytes)) - sum(promised);
  }

  async #consumedAmong(images: readonly ListedImage[], owners: Owners): Promise<readonly ListedImage[]> {
    const { states } = this.#options;
    const consumed: ListedImage[] = [];
    for (const image of images.filter(({ uid }) => states.knows(uid))) {
      const { record } = await owners.read(image.uid);
      if (recordOf(image, record)?.state === "CONSUMED") consumed.push(image);
    }
    return consumed.toSorted((a, b) => a.timeMs - b.timeMs);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
