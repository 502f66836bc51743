/** An image as the wires show it, from its key and the record of its state. */
import type { ImageRecord } from "../machine/image-catalogue.ts";
import type { ListedImage } from "./image-keys.ts";
import { holderOf, type OwnerRecord } from "./owner-record.ts";

/** Undefined for an image that was not sealed. */
export function recordOf(image: ListedImage, record: OwnerRecord | undefined): ImageRecord | undefined {
  const { id, device, timeMs, sizeBytes } = image;
  const common = { id, device, createTimeNs: BigInt(timeMs) * 1_000_000n, sizeBytes };
  const nobody = { claimedBy: undefined, consumedBy: undefined };
  if (record === undefined) return undefined;
  if (record.image?.key === image.key) {
    const claimedBy = record.state === "RESTORING" ? holderOf(record.by) : undefined;
    return { ...common, ...nobody, state: claimedBy === undefined ? "SEALED" : "CLAIMED", claimedBy };
  }
  const past = record.past.find(({ key }) => key === image.key);
  if (past !== undefined) return { ...common, ...nobody, state: "CONSUMED", consumedBy: holderOf(past.by) };
  // The state has moved on. What is not of an earlier generation is still being written.
  const isOlder = image.generation < record.generation || record.state === "DELETED";
  return isOlder ? { ...common, ...nobody, state: "CONSUMED" } : undefined;
}
