/** Refuses query strings that are not percent-encoded UTF-8, which the router would accept unchanged. */
import type { FastifyRequest } from "fastify";
import { WireError } from "../messages/wire-error.ts";

/** A check of requests. @throws WireError INVALID_REQUEST */
export function requireReadableQuery({ url }: FastifyRequest): undefined {
  const begin = url.indexOf("?");
  if (begin === -1) return;
  const query = url.slice(begin + 1);
  try {
    decodeURIComponent(query);
  } catch (error) {
    const sentence = `The query (${query}) cannot be read: a % stands before two digits of a byte of UTF-8.`;
    throw new WireError("INVALID_REQUEST", sentence, { query }).because(error);
  }
}
