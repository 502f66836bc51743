/** CORS (the Fetch standard) for the origins in --cors-origin: preflights, and permission to read answers. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { CORS_MAX_AGE_SECONDS } from "../limits.ts";

/** The methods of all routes. */
const METHODS = "GET, HEAD, PUT, POST, PATCH, DELETE";
/** Request headers that have a meaning here and for which a page needs permission. */
const REQUEST_HEADERS = [
  "authorization",
  "content-type",
  "content-range",
  "idempotency-key",
  "if-match",
  "last-event-id",
  "range",
  "traceparent",
  "tracestate",
  "x-request-id",
].join(", ");
/** Answer headers that a page could not read otherwise. */
const ANSWER_HEADERS = [
  "accept-ranges",
  "allow",
  "content-range",
  "etag",
  "location",
  "retry-after",
  "www-authenticate",
  "x-request-id",
].join(", ");

/** Whether a browser asks if a page may send the request that follows. */
export function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

/** Lets pages of `origin` read this answer. A page sends no credentials except its own token. */
export function letRead(origin: string, reply: FastifyReply): void {
  void reply.headers({
    "access-control-allow-origin": origin,
    "access-control-expose-headers": ANSWER_HEADERS,
    vary: "Origin",
  });
}

/** Answers a preflight at once. Browsers send no token with it, and it changes nothing. */
export function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): "answered" {
  void reply.headers({
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": REQUEST_HEADERS,
    "access-control-max-age": CORS_MAX_AGE_SECONDS,
    // A page from the network also needs this permission to call a daemon on loopback.
    ...(headers["access-control-request-private-network"] === "true" && {
      "access-control-allow-private-network": "true",
    }),
  });
  void reply.code(204).send();
  return "answered";
}
