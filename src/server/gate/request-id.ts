/** Request ids: the caller's own id, so that logs on both sides can be matched, or a new one. */
import { randomUUID } from "node:crypto";
import { REQUEST_ID_LENGTH_MAX } from "../limits.ts";

/** The header in REST and the metadata key in gRPC, for requests and answers. */
export const REQUEST_ID_HEADER = "x-request-id";

const FORM = new RegExp(`^[A-Za-z0-9._:/+=-]{1,${REQUEST_ID_LENGTH_MAX}}$`);

/** The caller's id if it is fit for a header and a log, else a new one. */
export function requestIdOf(sent: unknown): string {
  return typeof sent === "string" && FORM.test(sent) ? sent : randomUUID();
}
