/**
 * Refuses repeated headers that identify the target or the caller. A proxy in between may have checked the
 * other copy.
 */
import type { FastifyRequest } from "fastify";
import { WireError } from "../messages/wire-error.ts";

/** Node keeps the first of them silently. */
const SINGLE: ReadonlySet<string> = new Set(["host", "authorization", "content-type", "origin"]);

/** @throws WireError INVALID_REQUEST if one of them occurs more than once. */
export function refuseRepeatedHeaders({ raw: { rawHeaders } }: FastifyRequest): undefined {
  let seen: Set<string> | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? "";
    if (!SINGLE.has(name)) continue;
    seen ??= new Set();
    if (seen.has(name))
      throw new WireError("INVALID_REQUEST", `The request has more than one header ${name}.`, {
        header: name,
      });
    seen.add(name);
  }
}
