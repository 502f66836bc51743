/** Turns anything thrown into an error over REST: `{"error":{code,status,message,details}}` (AIP-193). */
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { StrangerLog } from "../gate/stranger-log.ts";
import { BODY_DISCARD_MS, HTTP_BODY_BYTES_MAX, RETRY_DELAY_MS } from "../limits.ts";
import { ERROR_DOMAIN, type Failure, toFailure, WireError } from "../messages/wire-error.ts";
import { bodyTooLarge } from "./expect-continue.ts";

declare module "fastify" {
  interface FastifyInstance {
    readonly strangerLog: StrangerLog;
  }
}

const TYPE_PREFIX = "type.googleapis.com/google.rpc.";

/** The body for `failure`. */
export function errorBody(failure: Failure) {
  const { reason, metadata, kind } = failure;
  const info = { "@type": `${TYPE_PREFIX}ErrorInfo`, reason, domain: ERROR_DOMAIN, metadata };
  const retry = { "@type": `${TYPE_PREFIX}RetryInfo`, retryDelay: `${RETRY_DELAY_MS / 1000}s` };
  return {
    error: {
      code: failure.httpStatus,
      status: failure.status,
      message: failure.message,
      details: kind === "unavailable" ? [info, retry] : [info],
    },
  };
}

/** Fastify's error handler. */
export async function replyWithError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const failure = toFailure(
    isOfClient(error, request) ? new WireError("CALL_CANCELLED", CUT_OFF) : fromFastify(error, request),
  );
  if (failure.kind === "internal" || failure.kind === "data-loss")
    request.log.error({ err: error }, failure.message);
  else tellOf(failure, request);
  request.admission?.failed(failure);
  request.callSpan?.failed(failure);
  discardBody(request);
  void reply.removeHeader("connection");
  if (failure.kind === "unauthenticated") void reply.header("www-authenticate", "Bearer");
  if (failure.kind === "unavailable") void reply.header("retry-after", Math.ceil(RETRY_DELAY_MS / 1000));
  return reply.code(failure.httpStatus).type("application/json; charset=utf-8").send(errorBody(failure));
}

/**
 * Strangers can be refused without limit, so their lines are limited. Callers that were let in get every
 * line.
 */
function tellOf({ reason, message }: Failure, { admission, id, log, server }: FastifyRequest): void {
  if (admission !== undefined) log.debug({ reason }, message);
  else server.strangerLog.write("debug", { requestId: id, reason }, message);
}

/**
 * Reads and discards the rest of a refused body for a while. If the connection were cut at once, a client
 * that still sends would be reset and could never read the reason.
 */
function discardBody({ raw }: FastifyRequest): void {
  if (raw.complete || raw.destroyed) return;
  raw.resume();
  setTimeout(() => {
    if (!raw.complete) raw.destroy();
  }, BODY_DISCARD_MS).unref();
}

const CUT_OFF = "The client went away before its request was whole.";

/**
 * Whether this is Node's error for a connection that ended in the middle of a body. Nobody is left to read
 * the answer.
 */
function isOfClient(error: FastifyError, { raw }: FastifyRequest): boolean {
  return raw.errored === error && error.code === "ECONNRESET";
}

/** What fastify itself refuses gets a reason of ours; anything else stays what it is. */
function fromFastify(error: FastifyError, { routeOptions }: FastifyRequest): Error {
  const { bodyLimit = HTTP_BODY_BYTES_MAX } = routeOptions;
  const httpStatus = error.statusCode;
  if (error instanceof WireError || httpStatus === undefined || httpStatus >= 500) return error;
  if (!error.code?.startsWith("FST_")) return error;
  if (httpStatus === 413) return bodyTooLarge(bodyLimit);
  const sentence = `The request cannot be read: ${error.message}.`;
  return new WireError("INVALID_REQUEST", sentence, {}).withHttpStatus(httpStatus).because(error);
}
