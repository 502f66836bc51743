/**
 * CORS (the Fetch standard) for the origins that --cors-origin lists: preflights, and leave to read the
 * answers.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { CORS_MAX_AGE_SECONDS } from "../limits.ts";

/** Methods of all routes. */
const METHODS = "GET, HEAD, PUT, POST, PATCH, DELETE";
/** Headers of requests that mean something here and that a page must ask for. */
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
/** Headers of answers that a page would not see otherwise. */
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

/**
 * Lets pages of `origin` read this answer. There are no credentials but the token that a page sends itself.
 */
export function letRead(origin: string, reply: FastifyReply): void {
  void reply.headers({
    "access-control-allow-origin": origin,
    "access-control-expose-headers": ANSWER_HEADERS,
    vary: "Origin",
  });
}

/** Answers a preflight at once: browsers send no token with it, and it touches nothing. */
export function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): "answered" {
  void reply.headers({
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": REQUEST_HEADERS,
    "access-control-max-age": CORS_MAX_AGE_SECONDS,
    // A page from the network that calls a daemon on loopback needs leave for that as well.
    ...(headers["access-control-request-private-network"] === "true" && {
      "access-control-allow-private-network": "true",
    }),
  });
  void reply.code(204).send();
  return "answered";
}
