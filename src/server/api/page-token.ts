/**
 * Page tokens: where the next page of a listing starts, tied to that listing (AIP-158: all other arguments
 * must stay the same). They are neither secret nor signed, because a forged token could reach nothing that
 * the listing does not show.
 */
import { createHash } from "node:crypto";
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from "../../device/limits.ts";
import { WireError } from "../messages/wire-error.ts";

const FINGERPRINT_LENGTH = 11;

/** @param listing what must stay the same on all pages: method, parent, filter. */
export function encodePageToken(listing: readonly string[], position: string): string {
  if (position === "") return "";
  return Buffer.from(`${fingerprint(listing)}${position}`).toString("base64url");
}

/** The position in `token`, "" for the first page. @throws WireError INVALID_PAGE_TOKEN */
export function decodePageToken(listing: readonly string[], token: string): string {
  if (token === "") return "";
  const text = Buffer.from(token, "base64url").toString("utf8");
  const position = text.slice(FINGERPRINT_LENGTH);
  // Encoding it again must give the same token, so that each token has only one valid spelling.
  if (position !== "" && encodePageToken(listing, position) === token) return position;
  throw new WireError("INVALID_PAGE_TOKEN", `Page token "${token}" was not given out for this listing.`, {
    pageToken: token,
  });
}

/**
 * The number of entries in a page: the caller's number, within the limits of AIP-158.
 * @throws WireError INVALID_REQUEST if it is negative
 */
export function pageSize(asked: number): number {
  if (asked < 0) {
    throw new WireError("INVALID_REQUEST", `Page size ${asked} is negative.`, { field: "pageSize" });
  }
  return asked === 0 ? PAGE_SIZE_DEFAULT : Math.min(asked, PAGE_SIZE_MAX);
}

function fingerprint(listing: readonly string[]): string {
  return createHash("sha256")
    .update(JSON.stringify(listing))
    .digest("base64url")
    .slice(0, FINGERPRINT_LENGTH);
}
