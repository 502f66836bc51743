/**
 * Hibernation: the image that holds the device's state while its memories do not. Written and sealed before the power
 * is cut, read back before it is on again, and consumed before the device is ACTIVE: once used, never used again.
 */
import assert from "node:assert/strict";
import { DeviceError, toDeviceError } from "../errors.ts";
import { boundedStore } from "../image/bounded-store.ts";
import type { ImageDevice, ImageSource, ImageTables } from "../image/image-model.ts";
import type { FrameCodec, ImageDraft, ImageStore } from "../image/image-store.ts";
import { readImage } from "../image/reader.ts";
import { verifyImage } from "../image/verify-image.ts";
import { writeImage } from "../image/writer.ts";
import { deleteEverything } from "../memory/delete-everything.ts";
import { count } from "../memory/tally.ts";
import type { PowerState } from "../resource.ts";
import { adoptImage } from "./image/adopt.ts";
import { imageBytesMaxOf } from "./image/amounts.ts";
import { captureImage, describeImagedDevice, type ImagedDevice } from "./image/capture.ts";
import { compareDevices, requireCompatible } from "./image/compatibility.ts";
import { loadImage, matchSlots } from "./image/load.ts";
import { recoverRegions } from "./restore.ts";
import type { PhaseCounts, Transition } from "./transition.ts";
import type { Checksums } from "./verify.ts";
import type { WorkingMemory } from "./working-memory.ts";

export interface HibernationOptions extends WorkingMemory {
  /** What the device is now, and where its counters stand. */
  readonly device: () => ImagedDevice;
  readonly store: ImageStore | undefined;
  /** Reads frames that were compressed. */
  readonly codec: FrameCodec | undefined;
  /** Whether frames are written with it. */
  readonly compresses: boolean;
  /** An image was adopted: the counters that power keeps go on from it. */
  readonly onAdopted: (device: ImageDevice, checksums: Checksums | undefined) => void;
}

export class Hibernation {
  readonly #options: HibernationOptions;
  readonly #store: ImageStore | undefined;
  #image = "";
  /** Whether the objects in memory are those of the image; false in a process that has yet to make them. */
  #adopted = false;
  /** Position in the image to slot when the objects were made of it; undefined when they are what it was made of. */
  #slots: Int32Array | undefined;
  /** Whether their bytes are in memory too. */
  #loaded = false;
  /** The device's uid before it became that of the image. */
  #uidBefore = "";

  constructor(options: HibernationOptions) {
    this.#options = options;
    const { store, services } = options;
    this.#store = store && boundedStore(store, services.clock);
  }

  /** Id of the sealed image that holds the device's state; empty when none does. */
  get image(): string {
    return this.#image;
  }

  /** Whether a resume has to read the image first. */
  get hasToLoad(): boolean {
    return this.#image !== "" && !this.#loaded;
  }

  /** @throws DeviceError INVALID_REQUEST when the device has nowhere to keep images. */
  requireStore(): ImageStore {
    if (this.#store !== undefined) return this.#store;
    throw new DeviceError(
      "INVALID_REQUEST",
      "The device has no store for hibernation images; torpord needs a data directory for S4 and hybrid sleep.",
    );
  }

  /** @throws DeviceError IMAGE_NOT_FOUND when there is no image of this name. */
  async requireKnown(image: string): Promise<void> {
    const file = await this.requireStore().open(image);
    await file.close();
  }

  /** @throws DeviceError DEVICE_NOT_EMPTY unless an image could be made this device. */
  requireEmptyDevice(image: string, state: PowerState): void {
    const { memory, gt } = this.#options.device();
    const contexts = gt.contexts.all().length;
    if (state === "ACTIVE" && memory.clientObjectCount === 0 && contexts === 0) return;
    throw new DeviceError(
      "DEVICE_NOT_EMPTY",
      `Image ${image} can be resumed on a device that is ACTIVE and empty; this one is ${state} with ${memory.clientObjectCount} objects and ${contexts} contexts.`,
      { image },
    );
  }

  /** Takes a sealed image of another time or process as the device's state; the next resume makes it so. */
  take(image: string): void {
    assert(this.#image === "", "a device has one image at a time");
    this.#image = image;
    this.#adopted = false;
    this.#loaded = false;
  }

  /** Lets go of an image that was taken and could not be used; it stays sealed. What was made of it is dropped. */
  async giveBack(): Promise<void> {
    const { memory, gt } = this.#options.device();
    this.#image = "";
    if (!this.#adopted) return;
    await recoverRegions(this.#options, true);
    gt.contexts.clear();
    await deleteEverything(memory);
    // The image may yet be resumed elsewhere: two devices of one uid would give different objects the same.
    memory.deviceUid = this.#uidBefore;
    this.#adopted = false;
  }

  /** Whether an image of at most so many bytes would find room. @throws DeviceError IMAGE_STORE_FULL, COPY_FAILED. */
  requireRoom(bytesMax: number): Promise<void> {
    return this.requireStore().requireRoom(bytesMax);
  }

  /** Writes, verifies and seals the image. Whatever fails, a partial one is gone; `image` says whether it is sealed. */
  async write(
    transition: Transition,
    counts: PhaseCounts,
    { hybrid, checksums }: { readonly hybrid: boolean; readonly checksums: Checksums | undefined },
  ): Promise<void> {
    const { failpoints, emit } = this.#options.services;
    const device = this.#options.device();
    const source = await captureImage(device, hybrid, checksums);
    const draft = await this.requireStore().create(device.name, await imageBytesMaxOf(this.#options));
    try {
      await this.#fill(draft, source, transition, counts);
      await failpoints.pass("image.seal");
      await draft.seal();
    } catch (error) {
      await draft.abandon();
      throw error;
    }
    this.#image = draft.id;
    this.#adopted = true;
    this.#slots = undefined;
    this.#loaded = hybrid;
    emit({ type: "imageSealed", image: draft.id });
    await failpoints.pass("image.sealed");
  }

  /** Brings objects and bytes back from the image. Can be run again after a failure. */
  async load(
    transition: Transition,
    counts: PhaseCounts,
    allowDifferences: readonly string[],
  ): Promise<void> {
    const { memory, services } = this.#options;
    const { clock } = services;
    await this.#reading(this.#image, async (tables) => {
      if (!this.#adopted) await this.#adopt(tables, allowDifferences);
      const slots = this.#slots ?? (await matchSlots(memory, tables, clock));
      const check = (): void => transition.check();
      const { objects, bytes } = await loadImage(memory, tables, slots, { clock, check });
      count(counts.imaged, "memcpy", objects, bytes);
    });
    this.#loaded = true;
  }

  /** Finds out whether an image could be taken, changing nothing. @throws DeviceError as `load`. */
  async check(image: string, allowDifferences: readonly string[]): Promise<void> {
    const device = this.#options.device();
    const isOwn = image === this.#image && this.#adopted;
    await this.#reading(image, async (tables) => {
      // Its objects are here already, in the very places that it asks for.
      if (isOwn) return;
      const differences = await compareDevices(tables, describeImagedDevice(device), device);
      requireCompatible(differences, allowDifferences);
    });
  }

  /** Marks the image consumed, durably. No-op without one. */
  async consume(): Promise<void> {
    if (this.#image === "") return;
    const { failpoints, emit } = this.#options.services;
    await failpoints.pass("image.consume");
    await this.#consumeIfThere(this.#image);
    emit({ type: "imageConsumed", image: this.#image });
    this.#image = "";
    this.#slots = undefined;
    await failpoints.pass("image.consumed");
  }

  /** What somebody removed cannot come back over what the device does from now on. */
  async #consumeIfThere(image: string): Promise<void> {
    try {
      await this.requireStore().consume(image);
    } catch (error) {
      if (toDeviceError(error).reason !== "IMAGE_NOT_FOUND") throw error;
    }
  }

  /** Writes everything, then reads it back: the store's word is not taken for it. */
  async #fill(
    draft: ImageDraft,
    source: ImageSource,
    transition: Transition,
    counts: PhaseCounts,
  ): Promise<void> {
    const { services, codec, compresses } = this.#options;
    const { clock, sha256, failpoints } = services;
    const check = (): void => transition.check();
    const common = { clock, sha256, check, ...(compresses && codec !== undefined ? { codec } : {}) };
    const createTimeNs = clock.wallNs();
    const onBytes = (bytes: number): void => count(counts.imaged, "memcpy", 0, bytes);
    const written = await writeImage({ ...common, source, draft, createTimeNs, failpoints, onBytes });
    await verifyImage({ ...common, file: draft, storedBytes: written.storedBytes });
    count(counts.imaged, "memcpy", written.objects, 0);
  }

  /** Makes the objects of an image. Once that is done a failure can be repeated with what is there. */
  async #adopt(tables: ImageTables, allowDifferences: readonly string[]): Promise<void> {
    const device = this.#options.device();
    const uidBefore = device.memory.deviceUid;
    const { slots, checksums } = await adoptImage(device, tables, allowDifferences);
    this.#uidBefore = uidBefore;
    this.#adopted = true;
    this.#slots = slots;
    this.#options.onAdopted(tables.device, checksums);
  }

  async #reading(image: string, work: (tables: ImageTables) => Promise<void>): Promise<void> {
    const { services, codec } = this.#options;
    const { clock, sha256, failpoints } = services;
    const file = await this.requireStore().open(image);
    try {
      await work(await readImage({ file, clock, sha256, codec, failpoints }));
    } finally {
      await file.close();
    }
  }
}
