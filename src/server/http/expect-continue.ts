/**
 * Answers `Expect: 100-continue` only when a handler wants the body, so a refusal comes before the first
 * byte. curl sends the header with every body over 1 MiB.
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance, preParsingHookHandler } from "fastify";
import { formatBytes } from "../../device/format.ts";
import { WireError } from "../messages/wire-error.ts";

const waiting = new WeakSet<ServerResponse>();

declare module "fastify" {
  interface FastifyContextConfig {
    /** The handler reads the body itself, and calls `sendContinue` when it wants it. */
    readonly streamsBody?: boolean;
  }
}

/** Lets the reader of a body ask for it. */
export function deferContinue(app: FastifyInstance): void {
  app.server.on("checkContinue", (request, response) => {
    waiting.add(response);
    app.routing(request, response);
  });
}

/** Asks for a parsed body once its length is known to be legal. */
export const askForBody: preParsingHookHandler = (request, reply, payload, done) => {
  const { bodyLimit } = request.routeOptions;
  if (bodyLimit !== undefined && Number(request.headers["content-length"]) > bodyLimit)
    throw bodyTooLarge(bodyLimit);
  sendContinue(reply.raw);
  done(null, payload);
};

/** Tells the client to continue, if it waits for that. */
export function sendContinue(response: ServerResponse): void {
  if (waiting.delete(response)) response.writeContinue();
}

/** The error for a body of more than `limitBytes`. */
export function bodyTooLarge(limitBytes: number): WireError {
  return new WireError(
    "LIMIT_EXCEEDED",
    `The body of the request is larger than ${formatBytes(limitBytes)}.`,
    { limit: String(limitBytes) },
  ).withHttpStatus(413);
}
