/**
 * The image that a device holds, if any: none, one that holds its state, or one that is in doubt. One value
 * expresses all of it, so that fields cannot contradict each other.
 */
import type { DeviceError } from "../errors.ts";
import type { ImageDraft, OwnedState, StateId } from "../image/image-store.ts";
import type { OwnershipResource, SuspendCause } from "../resource.ts";
import type { Checksums } from "./verify.ts";

/** A sealed image of an earlier process from which a device starts. */
export interface SealedImage extends StateId {
  readonly image: string;
  /** The number of the device's next transition. */
  readonly nextTransitionId: number;
}

/** Why an image is written. */
export interface ImagePurpose {
  readonly hybrid: boolean;
  readonly cause: SuspendCause;
  readonly checksums: Checksums | undefined;
}

/** An image with the device's state. */
export interface ImageInHand {
  readonly image: string;
  /** Generation of the state in the image; each claim adds one for the device. */
  readonly imageGeneration: number;
  /**
   * Number of the first transition after the image was sealed. Each resume claims the image and takes the
   * next number.
   */
  readonly firstTransitionId: number;
  /** How often the image had been claimed at this device's last claim; 0 before it. */
  readonly claims: number;
  /** Whether this device has claimed it now. */
  readonly claimed: boolean;
  /** Why the last claim was permanently refused; undefined if it was not. */
  readonly lostTo: DeviceError | undefined;
}

/**
 * none: memory is the state, and the device owns it.
 * own: sealed by this process; the objects in memory are those of the image.
 * taken: of another time or process; its objects have yet to be made.
 * adopted: the same with its objects made.
 * sealInDoubt: the image may be sealed or not; memory has every byte.
 * commitInDoubt: the image may be consumed or not; memory has every byte.
 */
export type Holding =
  | { readonly kind: "none" }
  | (ImageInHand & {
      readonly kind: "own";
      /** Whether the bytes are in memory too. */
      readonly loaded: boolean;
    })
  | (ImageInHand & {
      readonly kind: "taken";
      /** Whether a client named it to an ACTIVE device. */
      readonly given: boolean;
    })
  | (ImageInHand & {
      readonly kind: "adopted";
      readonly given: boolean;
      readonly loaded: boolean;
      /** Position in the image to slot, if the objects were made from it. */
      readonly slots: Int32Array;
      /** The device before it took over the image. */
      readonly before: StateId;
    })
  | { readonly kind: "sealInDoubt"; readonly draft: ImageDraft }
  | { readonly kind: "commitInDoubt"; readonly image: string; readonly state: OwnedState };

export type HoldingImage = Extract<Holding, ImageInHand>;

export const NOTHING_HELD: Holding = { kind: "none" };

/** Whether there is an image to claim. One in doubt must be settled first. */
export function isImage(holding: Holding): holding is HoldingImage {
  return holding.kind === "own" || holding.kind === "taken" || holding.kind === "adopted";
}

/** Who owns the state. */
export function ownershipOf(holding: Holding): OwnershipResource["state"] {
  if (holding.kind === "none") return "OWNED";
  if (!isImage(holding)) return "IN_DOUBT";
  if (holding.lostTo !== undefined) return "LOST";
  return holding.claimed ? "RESTORING" : "SLEEPING";
}

/** Id of the image, sealed or in doubt; empty if there is none. */
export function imageOf(holding: Holding): string {
  if (holding.kind === "none") return "";
  return holding.kind === "sealInDoubt" ? holding.draft.id : holding.image;
}

/** Whether a resume must read the image first. */
export function hasToLoad(holding: Holding): boolean {
  if (holding.kind === "taken") return true;
  return (holding.kind === "own" || holding.kind === "adopted") && !holding.loaded;
}
