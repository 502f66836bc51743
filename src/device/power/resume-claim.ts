/** What comes before a resume begins: whether it can be verified, and the claim of the image that it is from. */
import type { Resume } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { PowerState } from "../resource.ts";
import type { Parts } from "./parts.ts";
import type { Checksums } from "./verify.ts";

/**
 * Claims the image of a resume: the one that the device is suspended to, or `given` to an ACTIVE device. The resume begins
 * in the same turn as this ends. A refusal leaves everything as it was.
 * @param requireFree throws when the device cannot become that of the image any more
 */
export async function claimImage(
  { hibernation }: Parts,
  given: string,
  allowDifferences: readonly string[],
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

/** @throws DeviceError INVALID_REQUEST when there is nothing with which the content could be compared. */
export function requireChecksums(
  { hibernation }: Parts,
  command: Resume,
  state: PowerState,
  checksums: Checksums | undefined,
): void {
  if (command.verify !== true || checksums !== undefined || hibernation.hasToLoad || state === "ACTIVE")
    return;
  throw new DeviceError(
    "INVALID_REQUEST",
    "The content cannot be verified, because the suspend was not told to take checksums.",
  );
}
