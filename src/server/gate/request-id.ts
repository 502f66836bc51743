/** Ids of requests: the caller's own, so that logs on both sides can be laid together, or one of ours. */
import { randomUUID } from "node:crypto";
import { REQUEST_ID_LENGTH_MAX } from "../limits.ts";

/** The header of REST and the metadata of gRPC, in requests and in answers. */
export const REQUEST_ID_HEADER = "x-request-id";

const FORM = new RegExp(`^[A-Za-z0-9._:/+=-]{1,${REQUEST_ID_LENGTH_MAX}}$`);

/** What the caller sent, if it is fit for a header and a log, else a new id. */
export function requestIdOf(sent: unknown): string {
  return typeof sent === "string" && FORM.test(sent) ? sent : randomUUID();
}
