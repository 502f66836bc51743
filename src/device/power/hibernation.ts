/**
 * Hibernation: the image that holds the device's state while its memory has no power. It is sealed before the
 * power is cut, claimed before a byte of it is read, and consumed before the device is ACTIVE. So no image is
 * used twice.
 */
import assert from "node:assert/strict";
import { DeviceError, toDeviceError } from "../errors.ts";
import { boundedStore } from "../image/bounded-store.ts";
import { ownershipLost } from "../image/image-error.ts";
import type { ImageDevice, ImageTables } from "../image/image-model.ts";
import type { FrameCodec, ImageDraft, ImageStore, OwnedState } from "../image/image-store.ts";
import { deleteEverything } from "../memory/delete-everything.ts";
import { count } from "../memory/tally.ts";
import type { OwnershipResource, PowerState } from "../resource.ts";
import {
  type Holding,
  type HoldingImage,
  hasToLoad,
  type ImagePurpose,
  imageOf,
  isImage,
  NOTHING_HELD,
  ownershipOf,
  type SealedImage,
} from "./holding.ts";
import { adoptImage } from "./image/adopt.ts";
import { imageBytesMaxOf } from "./image/amounts.ts";
import { captureImage, describeImagedDevice, type ImagedDevice } from "./image/capture.ts";
import { compareDevices, requireCompatible } from "./image/compatibility.ts";
import { fillDraft, readingImage } from "./image/exchange.ts";
import { loadImage, matchSlots } from "./image/load.ts";
import { isTaken, type Ownership } from "./ownership.ts";
import { recoverRegions } from "./restore.ts";
import type { PhaseCounts, Transition } from "./transition.ts";
import type { Checksums } from "./verify.ts";
import type { WorkingMemory } from "./working-memory.ts";

export interface HibernationOptions extends WorkingMemory {
  /** What the device is now, and where its counters stand. */
  readonly device: () => ImagedDevice;
  readonly ownership: Ownership;
  readonly store: ImageStore | undefined;
  /** Reads frames that were compressed. */
  readonly codec: FrameCodec | undefined;
  /** Whether frames are written with it. */
  readonly compresses: boolean;
  /** Called when an image was adopted. Power's counters continue from it. */
  readonly onAdopted: (device: ImageDevice, checksums: Checksums | undefined) => void;
}

export class Hibernation {
  readonly #options: HibernationOptions;
  readonly store: ImageStore | undefined;
  #holding: Holding = NOTHING_HELD;

  constructor(options: HibernationOptions) {
    this.#options = options;
    const { store, services } = options;
    this.store = store && boundedStore(store, services.clock);
  }

  /** Id of the image that holds the device's state, or may hold it; empty if there is none. */
  get image(): string {
    return imageOf(this.#holding);
  }

  /**
   * Id of the image that the next resume claims; empty if it needs none, or if a doubt must be settled first.
   */
  get claimable(): string {
    return isImage(this.#holding) ? this.#holding.image : "";
  }

  /** Whether a resume has to read the image first. */
  get hasToLoad(): boolean {
    return hasToLoad(this.#holding);
  }

  /** Number of the resume that claimed the image last; 0 if it is not known. */
  get transitionIdMin(): number {
    const holding = this.#holding;
    return isImage(holding) && holding.claims > 0 ? holding.firstTransitionId + holding.claims - 1 : 0;
  }

  describeOwnership(): OwnershipResource {
    const lostTo = isImage(this.#holding) ? this.#holding.lostTo : undefined;
    return this.#options.ownership.describe(ownershipOf(this.#holding), lostTo);
  }

  /** @throws DeviceError IMAGE_STORE_MISSING if the device has no store of images. */
  requireStore(): ImageStore {
    if (this.store !== undefined) return this.store;
    throw new DeviceError(
      "IMAGE_STORE_MISSING",
      "The device has no store for hibernation images; torpord needs a data directory for S4 and " +
        "hybrid sleep.",
    );
  }

  /**
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, IMAGE_CONSUMED, IMAGE_IN_USE unless the image could
   * be claimed.
   */
  requireClaimable(image: string): Promise<void> {
    return this.requireStore().requireClaimable(image, this.#options.device().name);
  }

  /** @throws DeviceError DEVICE_NOT_EMPTY unless the device can adopt an image. */
  requireEmptyDevice(image: string, state: PowerState): void {
    const { memory, gt } = this.#options.device();
    const contexts = gt.contexts.all().length;
    if (state === "ACTIVE" && memory.clientObjectCount === 0 && contexts === 0) return;
    throw new DeviceError(
      "DEVICE_NOT_EMPTY",
      `Image ${image} can be resumed on a device that is ACTIVE and empty; this one is ${state} with ` +
        `${memory.clientObjectCount} objects and ${contexts} contexts.`,
      { image },
    );
  }

  /**
   * Checks whether the store has room for an image of this size.
   * @throws DeviceError IMAGE_STORE_FULL, COPY_FAILED.
   */
  requireRoom(bytesMax: number): Promise<void> {
    return this.requireStore().requireRoom(bytesMax);
  }

  /** Takes a sealed image of an earlier process as the device's state. Part of boot. */
  beginWith({ image, uid, generation, nextTransitionId }: SealedImage): void {
    this.#holding = { ...unclaimed(image, generation, nextTransitionId), kind: "taken", given: false };
    this.#options.ownership.become({ uid, generation });
  }

  /**
   * Claims the image that the device is suspended to, or `given`, before a byte of it is read. A doubt is
   * settled first. Without an image this does nothing.
   * @throws DeviceError OWNERSHIP_IN_DOUBT, OWNERSHIP_LOST, and the errors of the store's refusal.
   */
  async claim(given: string): Promise<void> {
    await this.#settle();
    if (given !== "") {
      assert(this.#holding.kind === "none", "a device has one image at a time");
      const claims = await this.#options.ownership.claim(this.requireStore(), given);
      // The image itself has the rest, and may be read from now on.
      this.#holding = { ...unclaimed(given, 0, 0), kind: "taken", given: true, claimed: true, claims };
      return;
    }
    const holding = this.#holding;
    if (!isImage(holding)) return;
    try {
      const claims = await this.#options.ownership.claim(this.requireStore(), holding.image);
      this.#become({ ...holding, claimed: true, claims, lostTo: undefined });
    } catch (error) {
      throw this.#lost(holding, toDeviceError(error));
    }
  }

  /**
   * Ends the claim of an image from which no resume came. A claim that cannot be ended now ends with the
   * process.
   */
  async release(): Promise<void> {
    const holding = this.#holding;
    if (!isImage(holding) || !holding.claimed) return;
    try {
      await this.#options.ownership.giveBack(this.requireStore(), holding.image);
      this.#holding = { ...holding, claimed: false };
    } catch (error) {
      toDeviceError(error);
    }
  }

  /** Lets go of an image that a client named and the device could not use. */
  async drop(): Promise<void> {
    const holding = this.#holding;
    this.#holding = NOTHING_HELD;
    if (holding.kind !== "adopted") return;
    const { memory, gt } = this.#options.device();
    await recoverRegions(this.#options, true);
    gt.contexts.clear();
    await deleteEverything(memory);
    // Another device may still resume from the image, and no two devices may share a uid.
    this.#options.ownership.become(holding.before);
  }

  /**
   * Writes, verifies and seals the image. After any failure the partial image is gone, or its seal is in
   * doubt.
   */
  async write(transition: Transition, counts: PhaseCounts, purpose: ImagePurpose): Promise<void> {
    const { services, ownership } = this.#options;
    const { failpoints, emit } = services;
    const device = this.#options.device();
    const { hybrid, cause, checksums } = purpose;
    const { generation } = ownership.state;
    const marks = { hybrid, byShutdown: cause === "shutdown", generation };
    const source = await captureImage(device, marks, checksums);
    const { nextTransitionId } = device;
    const state = { ...ownership.owned, nextTransitionId };
    const draft = await this.requireStore().create(state, await imageBytesMaxOf(this.#options));
    try {
      await fillDraft(this.#options, { draft, source, transition, counts });
      await failpoints.pass("image.seal");
    } catch (error) {
      await ownership.discard(draft);
      throw error;
    }
    await this.#seal(draft, transition);
    this.#holding = { ...unclaimed(draft.id, generation, nextTransitionId), kind: "own", loaded: hybrid };
    emit({ type: "imageSealed", image: draft.id });
    await failpoints.pass("image.sealed");
  }

  /** The device sleeps deeper: its own image is the only copy from now on. */
  noteMemoryLost(): void {
    if (this.#holding.kind === "own") this.#holding = { ...this.#holding, loaded: false };
  }

  /** Brings objects and bytes back from the claimed image. Can run again after a failure. */
  async load(
    transition: Transition,
    counts: PhaseCounts,
    allowDifferences: readonly string[],
  ): Promise<void> {
    const { memory, services } = this.#options;
    const { clock } = services;
    await this.#reading(this.image, async (tables) => {
      if (this.#holding.kind === "taken") await this.#adopt(this.#holding, tables, allowDifferences);
      const holding = this.#holding;
      const slots = holding.kind === "adopted" ? holding.slots : await matchSlots(memory, tables, clock);
      const check = (): void => transition.check();
      count(counts.imaged, "memcpy", await loadImage(memory, tables, { slots, clock, check }));
    });
    const holding = this.#holding;
    if (holding.kind === "own" || holding.kind === "adopted") this.#holding = { ...holding, loaded: true };
  }

  /**
   * Checks whether the device could take an image, and changes nothing.
   * @throws DeviceError as `load`.
   */
  async check(image: string, allowDifferences: readonly string[]): Promise<void> {
    const device = this.#options.device();
    const holding = this.#holding;
    const isOwn = image === this.image && holding.kind !== "taken";
    await this.#reading(image, async (tables) => {
      if (holding.kind === "taken" && holding.given) {
        const { generation: imageGeneration, device: imaged } = tables;
        this.#holding = { ...holding, imageGeneration, firstTransitionId: imaged.nextTransitionId };
      }
      // Its objects are here already, in the places that it needs.
      if (isOwn) return;
      const differences = await compareDevices(tables, describeImagedDevice(device), device);
      requireCompatible(differences, allowDifferences);
    });
  }

  /**
   * The last step of a resume: consumes the image, so that the device owns its state. No-op without an image.
   */
  async commit(): Promise<void> {
    const { image } = this;
    await this.#commit();
    if (image !== "") this.#options.ownership.resumedFrom = image;
  }

  /**
   * Abandons the image that was written. Only this write lets the device be ACTIVE again. No-op without an
   * image.
   */
  async undo(): Promise<void> {
    if (this.#holding.kind === "sealInDoubt") await this.#settle();
    else await this.#commit();
  }

  /** Gives up the state. The device begins anew under another uid. */
  async giveUp(): Promise<void> {
    const { ownership } = this.#options;
    const state = ownership.fresh();
    if (this.store !== undefined) await this.#giveUpStored(this.store, state);
    this.#holding = NOTHING_HELD;
    ownership.become(state);
    ownership.resumedFrom = "";
  }

  async #giveUpStored(store: ImageStore, state: OwnedState): Promise<void> {
    const { ownership } = this.#options;
    if (this.#holding.kind === "sealInDoubt") await this.#settle();
    const holding = this.#holding;
    // An image that a client named belongs to another device and stays there for it.
    const isForeign = isImage(holding) && holding.kind !== "own" && holding.given;
    if (isForeign) await ownership.giveBack(store, holding.image);
    if (holding.kind === "none" || isForeign) return ownership.own(store, state);
    try {
      await ownership.commit(store, imageOf(holding), state);
    } catch (error) {
      const failure = toDeviceError(error);
      // The device may not consume it any more.
      if (!isTaken(failure)) throw failure;
      await ownership.own(store, state);
    }
  }

  async #seal(draft: ImageDraft, transition: Transition): Promise<void> {
    const { ownership } = this.#options;
    try {
      await ownership.seal(draft, () => transition.check());
    } catch (error) {
      const failure = toDeviceError(error);
      if (failure.reason !== "OWNERSHIP_IN_DOUBT") {
        await ownership.discard(draft);
        throw failure;
      }
      this.#holding = { kind: "sealInDoubt", draft };
      // Undoing the suspend settles the doubt, or fails with it.
      throw new DeviceError("COPY_FAILED", failure.message, failure.metadata).because(failure);
    }
  }

  /**
   * Settles a doubt by asking again.
   * @throws DeviceError OWNERSHIP_IN_DOUBT, OWNERSHIP_LOST; everything is held then.
   */
  async #settle(): Promise<void> {
    const holding = this.#holding;
    if (holding.kind === "commitInDoubt") return this.#commit();
    if (holding.kind !== "sealInDoubt") return;
    try {
      await this.#options.ownership.abandon(holding.draft);
    } catch (error) {
      const failure = toDeviceError(error);
      throw isTaken(failure) ? ownershipLost(holding.draft.id, failure) : failure;
    }
    this.#holding = NOTHING_HELD;
  }

  async #commit(): Promise<void> {
    const holding = this.#holding;
    if (holding.kind === "none") return;
    assert(holding.kind !== "sealInDoubt", "a seal in doubt is undone, not committed");
    const { ownership } = this.#options;
    const { image } = holding;
    const state = holding.kind === "commitInDoubt" ? holding.state : ownership.owned;
    try {
      await ownership.commit(this.requireStore(), image, state);
    } catch (error) {
      const failure = toDeviceError(error);
      if (failure.reason === "OWNERSHIP_IN_DOUBT") this.#holding = { kind: "commitInDoubt", image, state };
      if (!isTaken(failure)) throw failure;
      if (isImage(holding)) this.#holding = { ...holding, claimed: false, lostTo: failure };
      throw ownershipLost(image, failure);
    }
    this.#holding = NOTHING_HELD;
  }

  /** For a refused claim: whether the state is lost with it, and the caller's error. */
  #lost(holding: HoldingImage, failure: DeviceError): DeviceError {
    if (!isTaken(failure)) return failure;
    this.#holding = { ...holding, claimed: false, lostTo: failure };
    // If nothing is in memory, the refusal says it all. Otherwise the error must say why the bytes in memory
    // are of no use.
    return hasToLoad(holding) ? failure : ownershipLost(holding.image, failure);
  }

  /** The claim has raised the generation. */
  #become(holding: HoldingImage): void {
    this.#holding = holding;
    const { ownership } = this.#options;
    const generation = holding.imageGeneration + holding.claims;
    ownership.become({ ...ownership.state, generation });
  }

  /** Makes the objects of an image. After that, a failed resume can run again with them. */
  async #adopt(
    taken: Extract<Holding, { kind: "taken" }>,
    tables: ImageTables,
    allowDifferences: readonly string[],
  ): Promise<void> {
    const { ownership } = this.#options;
    const before = ownership.state;
    const { slots, checksums } = await adoptImage(this.#options.device(), tables, allowDifferences);
    const { generation: imageGeneration, device } = tables;
    this.#holding = { ...taken, kind: "adopted", imageGeneration, slots, before, loaded: false };
    ownership.become({ uid: device.uid, generation: imageGeneration + taken.claims });
    this.#options.onAdopted(device, checksums);
  }

  #reading(image: string, work: (tables: ImageTables) => Promise<void>): Promise<void> {
    return readingImage(this.#options, () => this.requireStore().open(image), work);
  }
}

function unclaimed(
  image: string,
  imageGeneration: number,
  firstTransitionId: number,
): Omit<HoldingImage, "kind" | "loaded" | "given" | "slots" | "before"> {
  return { image, imageGeneration, firstTransitionId, claims: 0, claimed: false, lostTo: undefined };
}
