/**
 * `Expect: 100-continue`, answered only when somebody wants the body: what is refused is refused before its
 * first byte. curl sends the header with every body over 1 MiB.
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance, preParsingHookHandler } from "fastify";
import { formatBytes } from "../../device/format.ts";
import { WireError } from "../messages/wire-error.ts";

const waiting = new WeakSet<ServerResponse>();

declare module "fastify" {
  interface FastifyContextConfig {
    /** The handler itself reads the body, and calls `sendContinue` when it has decided to. */
    readonly streamsBody?: boolean;
  }
}

/** Lets whoever reads a body ask for it. */
export function deferContinue(app: FastifyInstance): void {
  app.server.on("checkContinue", (request, response) => {
    waiting.add(response);
    app.routing(request, response);
  });
}

/** Asks for a body that is parsed, once its length is known to be legal. */
export const askForBody: preParsingHookHandler = (request, reply, payload, done) => {
  const { bodyLimit } = request.routeOptions;
  if (bodyLimit !== undefined && Number(request.headers["content-length"]) > bodyLimit)
    throw bodyTooLarge(bodyLimit);
  sendContinue(reply.raw);
  done(null, payload);
};

/** Tells the client to go on, if it waits to be told. */
export function sendContinue(response: ServerResponse): void {
  if (waiting.delete(response)) response.writeContinue();
}

/** What a body of more than `limitBytes` is refused with. */
export function bodyTooLarge(limitBytes: number): WireError {
  return new WireError(
    "LIMIT_EXCEEDED",
    `The body of the request is larger than ${formatBytes(limitBytes)}.`,
    { limit: String(limitBytes) },
  ).withHttpStatus(413);
}
