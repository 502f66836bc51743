/** `Range` and `Content-Range` (RFC 9110, section 14), for a single range of bytes. */

import type { ContentSpan } from "../api/content-transfer.ts";
import { WireError } from "../messages/wire-error.ts";

/**
 * What `Range: bytes=…` selects in a content of `sizeBytes`: a span; "whole" if there is no range that we
 * serve (no header, another unit, several ranges or a malformed one, which are all ignored); or
 * "unsatisfiable".
 */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): ContentSpan | "whole" | "unsatisfiable" {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header ?? "");
  if (match === null) return "whole";
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return "whole";
  if (first === "") return suffix(Number(last), sizeBytes);
  const offsetBytes = Number(first);
  const endBytes = last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  if (last !== "" && Number(last) < offsetBytes) return "whole";
  if (offsetBytes >= sizeBytes) return "unsatisfiable";
  return { offsetBytes, lengthBytes: endBytes - offsetBytes };
}

function suffix(lengthBytes: number, sizeBytes: number): ContentSpan | "unsatisfiable" {
  const length = Math.min(lengthBytes, sizeBytes);
  return length === 0 ? "unsatisfiable" : { offsetBytes: sizeBytes - length, lengthBytes: length };
}

/**
 * The destination of an upload: `Content-Range: bytes 0-99/*`. Undefined without the header.
 * @throws WireError INVALID_RANGE
 */
export function parseContentRange(header: string | undefined): ContentSpan | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i.exec(header.trim());
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || last < first || (match[3] !== "*" && last >= Number(match[3]))) {
    throw new WireError("INVALID_RANGE", `Content-Range "${header}" is not of the form "bytes 0-99/*".`, {
      contentRange: header,
    });
  }
  return { offsetBytes: first, lengthBytes: last - first + 1 };
}
