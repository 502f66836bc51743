/** Errors of images, for callers. */
import { DeviceError } from "../errors.ts";
import type { OwnershipWrite } from "../events.ts";
import { formatTime } from "../format.ts";
import type { ImageHolder } from "./image-store.ts";

/** @param why end of a sentence with its values: `frame 3 of object 7 has another checksum` */
export function imageCorrupt(why: string, cause?: unknown): DeviceError {
  return new DeviceError("IMAGE_CORRUPT", `The hibernation image is corrupt: ${why}.`, {}).because(cause);
}

/**
 * The error of an image whose bytes are intact, but which cannot describe a device.
 * @param why end of a sentence
 */
export function contradicts(why: string): DeviceError {
  return imageCorrupt(`it contradicts itself, because ${why}`);
}

/** @param why end of a sentence that says what would have to differ */
export function imageIncompatible(why: string): DeviceError {
  return new DeviceError("IMAGE_INCOMPATIBLE", `The hibernation image cannot be read here: ${why}.`, {});
}

/** No image has this name. */
export function imageNotFound(image: string): DeviceError {
  return new DeviceError("IMAGE_NOT_FOUND", `There is no image ${image}.`, { image });
}

/** Another device is restoring the image. */
export function imageClaimed(image: string, holder: ImageHolder): DeviceError {
  return new DeviceError(
    "IMAGE_CLAIMED",
    `Image ${image} has been claimed by ${nameOf(holder)} since ${formatTime(holder.timeNs)}, and is ` +
      `being restored there.`,
    holderData(image, holder),
  );
}

/** The image was used. @param holder undefined if an earlier version consumed it without recording who did */
export function imageConsumed(image: string, holder: ImageHolder | undefined): DeviceError {
  const by = holder === undefined ? "" : ` by ${nameOf(holder)} at ${formatTime(holder.timeNs)}`;
  return new DeviceError(
    "IMAGE_CONSUMED",
    `Image ${image} was consumed${by}; an image is resumed from once.`,
    holder === undefined ? { image } : holderData(image, holder),
  );
}

/** Another device of the same daemon is suspended to the image. */
export function imageInUse(image: string, device: string): DeviceError {
  return new DeviceError("IMAGE_IN_USE", `Image ${image} holds the state of device ${device}.`, {
    image,
    device,
  });
}

/** Nobody knows whether a write of ownership took effect. @param image empty if it concerns no image */
export function inDoubt(write: OwnershipWrite, image: string, cause?: unknown): DeviceError {
  const why = cause instanceof Error ? ` ${cause.message.replace(/\.?$/, ".")}` : "";
  const what = image === "" ? "the device begins anew" : `image ${image}`;
  return new DeviceError(
    "OWNERSHIP_IN_DOUBT",
    `The store of images did not say whether ${DONE[write].replace("%", what)}.${why}`,
    { write, ...(image === "" ? {} : { image }) },
  ).because(cause);
}

/** The request to the store; % stands for its object. */
const DONE: Readonly<Record<OwnershipWrite, string>> = {
  seal: "% is sealed",
  abandon: "% was given up",
  claim: "% was claimed",
  giveBack: "the claim of % has ended",
  commit: "% was consumed",
  own: "it remembers that %",
};

/** Another device took the state of a sleeping device. @param cause the answer of the store */
export function ownershipLost(image: string, cause: DeviceError): DeviceError {
  return new DeviceError(
    "OWNERSHIP_LOST",
    `The device cannot wake: it no longer owns its state. ${cause.message} Reset it with scope ` +
      `FACTORY to use it anew.`,
    { ...cause.metadata, image, lostTo: cause.reason },
  ).because(cause);
}

function nameOf({ device, incarnation }: ImageHolder): string {
  return `device ${device} (daemon incarnation ${incarnation})`;
}

function holderData(image: string, holder: ImageHolder): Record<string, string> {
  const { device, incarnation } = holder;
  return { image, device, incarnation, since: formatTime(holder.timeNs) };
}
