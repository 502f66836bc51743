/** What is wrong with an image, in the words of a caller. */
import { DeviceError } from "../errors.ts";

/** @param why end of a sentence, with the values in it: `frame 3 of object 7 has another checksum` */
export function imageCorrupt(why: string, cause?: unknown): DeviceError {
  return new DeviceError("IMAGE_CORRUPT", `The hibernation image is corrupt: ${why}.`, {}, optionsOf(cause));
}

/**
 * The error of an image whose bytes are what they were, but which cannot be what a device was.
 * @param why end of a sentence
 */
export function contradicts(why: string): DeviceError {
  return imageCorrupt(`it contradicts itself, because ${why}`);
}

/** @param why end of a sentence: what would have to be otherwise */
export function imageIncompatible(why: string): DeviceError {
  return new DeviceError("IMAGE_INCOMPATIBLE", `The hibernation image cannot be read here: ${why}.`, {});
}

function optionsOf(cause: unknown): ErrorOptions {
  return cause === undefined ? {} : { cause };
}
