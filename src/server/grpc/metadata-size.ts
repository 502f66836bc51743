/** The size of a call's metadata, and the part of it that gRPC does not know. */
import type { IncomingHttpHeaders } from "node:http2";

/** What HTTP/2 counts for each field in addition to its name and value (RFC 9113, 6.5.2). Unit: bytes. */
const FIELD_OVERHEAD_BYTES = 32;

/** Size of all fields as HTTP/2 counts it. Node reads each byte as a character. Unit: bytes. */
export function metadataBytes(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const name in headers) {
    for (const value of valuesOf(headers[name])) bytes += name.length + value.length + FIELD_OVERHEAD_BYTES;
  }
  return bytes;
}

const LEGAL_NAME = /^[:0-9a-z_.-]+$/;
const LEGAL_TEXT = /^[ -~]*$/;

/**
 * Removes metadata that is legal in HTTP/2 but not in gRPC. The library would also drop it, but would log all
 * of it.
 */
export function dropIllegalMetadata(headers: IncomingHttpHeaders): void {
  for (const name in headers) {
    const isText = !name.endsWith("-bin");
    const isLegal =
      LEGAL_NAME.test(name) && (!isText || valuesOf(headers[name]).every((value) => LEGAL_TEXT.test(value)));
    if (!isLegal) delete headers[name];
  }
}

function valuesOf(value: string | string[] | number | undefined): readonly string[] {
  if (typeof value === "string") return [value];
  return value === undefined ? [] : [value].flat().map(String);
}
