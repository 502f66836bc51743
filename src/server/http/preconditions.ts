/** `If-Match` (RFC 9110, 13.1.1): a request whose condition cannot be checked must not be carried out. */
import type { IncomingHttpHeaders } from "node:http";
import { WireError } from "../messages/wire-error.ts";

/**
 * The etag or list of etags of which one must match; undefined if there is no condition, or if anything
 * matches.
 */
export function etagOf({ "if-match": ifMatch }: IncomingHttpHeaders): string | undefined {
  return ifMatch === "*" ? undefined : ifMatch;
}

/** For methods that change something and take no etag. @throws WireError INVALID_REQUEST */
export function refuseEtag(headers: IncomingHttpHeaders, what: string): void {
  const etag = etagOf(headers);
  if (etag === undefined) return;
  throw new WireError("INVALID_REQUEST", `${what} takes no etag, so that If-Match (${etag}) cannot hold.`, {
    header: "If-Match",
    etag,
  });
}
