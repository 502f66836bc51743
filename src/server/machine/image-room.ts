/**
 * Space for hibernation images: what the disk and the quota allow, minus the space reserved for images that
 * are being written. Consumed images are removed for new ones; sealed images never are.
 */
import { DeviceError, formatBytes } from "../../device/mod.ts";
import type { ImageEntry, ImagePlace } from "./image-entries.ts";

/** An image that is being written. */
interface Promised {
  readonly bytesMax: number;
  /** How many bytes have been written. */
  readonly draft: { readonly endBytes: number };
}

/** Bytes; undefined if unknown. */
export interface FreeBytes {
  readonly disk: number | undefined;
  readonly quota: number | undefined;
}

export class ImageRoom {
  readonly #place: ImagePlace;
  readonly #quotaBytes: number | undefined;
  readonly #promised = new Map<string, Promised>();

  constructor(place: ImagePlace, quotaBytes: number | undefined) {
    this.#place = place;
    this.#quotaBytes = quotaBytes;
  }

  /** Reserves space until `release`. */
  promise(id: string, promised: Promised): void {
    this.#promised.set(id, promised);
  }

  release(id: string): void {
    this.#promised.delete(id);
  }

  /** Space that is neither used nor reserved; negative if more was reserved than exists. */
  async free(entries: readonly ImageEntry[]): Promise<FreeBytes> {
    const { path, files, errors } = this.#place;
    const promised = [...this.#promised.values()];
    const disk = await errors.guard(path, "asked for its space", () => files.freeBytes(path));
    const unwritten = sum(promised.map(({ bytesMax, draft }) => Math.max(0, bytesMax - draft.endBytes)));
    const taken = sum(entries.map(sizeOf)) + sum(promised.map(({ bytesMax }) => bytesMax));
    return {
      disk: disk === undefined ? undefined : disk - unwritten,
      quota: this.#quotaBytes === undefined ? undefined : this.#quotaBytes - taken,
    };
  }

  /**
   * Whether `bytesMax` would fit after removing the `consumed` images.
   * @throws DeviceError IMAGE_STORE_FULL.
   */
  async require(
    entries: readonly ImageEntry[],
    consumed: readonly ImageEntry[],
    bytesMax: number,
  ): Promise<void> {
    const { path: directory } = this.#place;
    const { disk = Number.POSITIVE_INFINITY, quota = Number.POSITIVE_INFINITY } = await this.free(entries);
    this.#compare(bytesMax, disk + sum(consumed.map(diskOf)), `are free in ${directory}`);
    this.#compare(bytesMax, quota + sum(consumed.map(sizeOf)), `the quota leaves in ${directory}`);
  }

  /**
   * Removes consumed images, oldest first, until `bytesMax` fit. Removes none if removing all would not be
   * enough.
   * @throws DeviceError IMAGE_STORE_FULL; COPY_FAILED if one cannot be removed.
   */
  async make(
    entries: readonly ImageEntry[],
    consumed: readonly ImageEntry[],
    bytesMax: number,
  ): Promise<void> {
    await this.require(entries, consumed, bytesMax);
    const { files, errors } = this.#place;
    const { disk = Number.POSITIVE_INFINITY, quota = Number.POSITIVE_INFINITY } = await this.free(entries);
    let [diskBytes, quotaBytes] = [disk, quota];
    for (const entry of consumed) {
      if (bytesMax <= diskBytes && bytesMax <= quotaBytes) return;
      await errors.guard(entry.path, "removed", () => files.remove(entry.path));
      diskBytes += diskOf(entry);
      quotaBytes += sizeOf(entry);
    }
  }

  #compare(bytesMax: number, freeBytes: number, where: string): void {
    if (bytesMax <= freeBytes) return;
    const free = formatBytes(Math.max(0, freeBytes));
    const message =
      `The image (up to ${formatBytes(bytesMax)}) is larger than the ${free} that ` +
      `${where} once all consumed images are removed.`;
    throw this.#place.errors.told(new DeviceError("IMAGE_STORE_FULL", message, { bytes: String(bytesMax) }));
  }
}

function sizeOf({ facts }: ImageEntry): number {
  return facts.sizeBytes;
}

function diskOf({ facts }: ImageEntry): number {
  return facts.diskBytes;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
