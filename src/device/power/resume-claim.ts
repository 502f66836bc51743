/**
 * What comes before a resume begins: whether it can be verified, and the claim of the image that it is
 * from.
 */
import type { Resume } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { Parts } from "./parts.ts";

/** What a resume is asked to be from. */
export interface Wanted {
  /** The image that a client names to an ACTIVE device; empty for the one that the device is suspended to. */
  readonly given: string;
  readonly allowDifferences: readonly string[];
}

/**
 * Claims the image of a resume: the one that the device is suspended to, or `given` to an ACTIVE device.
 * The resume begins in the same turn as this ends. A refusal leaves everything as it was.
 * @param requireFree throws when the device cannot become that of the image any more
 */
export async function claimImage(
  { hibernation }: Parts,
  { given, allowDifferences }: Wanted,
  requireFree: () => void,
): Promise<void> {
  await hibernation.claim(given);
  if (given === "") return;
  try {
    await hibernation.check(given, allowDifferences);
    requireFree();
  } catch (error) {
    await hibernation.release();
    await hibernation.drop();
    throw error;
  }
}

/**
 * @param known whether there are checksums, or the device is ACTIVE and its image may have some
 * @throws DeviceError INVALID_REQUEST when there is nothing with which the content could be compared.
 */
export function requireChecksums({ hibernation }: Parts, command: Resume, known: boolean): void {
  if (command.verify !== true || known || hibernation.hasToLoad) return;
  throw new DeviceError(
    "INVALID_REQUEST",
    "The content cannot be verified, because the suspend was not told to take checksums.",
  );
}
