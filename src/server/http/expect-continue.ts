/**
 * `Expect: 100-continue`, answered only when somebody wants the body: what is refused is refused before its first
 * byte. curl sends the header with every body over 1 MiB.
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import { formatBytes } from "../../device/format.ts";
import { WireError } from "../errors.ts";

const waiting = new WeakSet<ServerResponse>();

declare module "fastify" {
  interface FastifyContextConfig {
    /** The handler itself reads the body, and calls `sendContinue` when it has decided to. */
    readonly streamsBody?: boolean;
  }
}

/** Has every route whose body is parsed ask for it once its length is known to be legal. */
export function deferContinue(app: FastifyInstance): void {
  app.server.on("checkContinue", (request, response) => {
    waiting.add(response);
    app.routing(request, response);
  });
  app.addHook("preParsing", (request, reply, _payload, done) => {
    const { bodyLimit, config } = request.routeOptions;
    if (config.streamsBody !== true) {
      if (bodyLimit !== undefined && Number(request.headers["content-length"]) > bodyLimit)
        throw bodyTooLarge(bodyLimit);
      sendContinue(reply.raw);
    }
    done();
  });
}

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
    { httpStatus: 413 },
  );
}
