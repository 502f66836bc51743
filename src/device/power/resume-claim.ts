/** The steps before a resume: checks whether it can be verified, and claims its image. */
import type { Resume } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { Parts } from "./parts.ts";

/** The source that a resume asks for. */
export interface Wanted {
  /**
   * The image that a client names to an ACTIVE device; empty for the image to which the device is suspended.
   */
  readonly given: string;
  readonly allowDifferences: readonly string[];
}

/**
 * Claims the image of a resume: the one to which the device is suspended, or the one `given` to an ACTIVE
 * device. The resume begins in the turn in which this ends. A refusal changes nothing.
 * @param requireFree throws if the device can no longer adopt the image
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
 * @throws DeviceError INVALID_REQUEST if there are no checksums to compare the content with.
 */
export function requireChecksums(
  { hibernation }: Parts,
  command: Pick<Resume, "verify">,
  known: boolean,
): void {
  if (command.verify !== true || known || hibernation.hasToLoad) return;
  throw new DeviceError(
    "INVALID_REQUEST",
    "The content cannot be verified, because the suspend was not told to take checksums.",
  );
}
