/** Traces each request to /v1, from its head to the end of its answer. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { routeLabel } from "../../contract/route-path.ts";
import { peerAddress } from "../auth/peer.ts";
import type { CallSpan, CallTracer } from "../tracing/call-tracer.ts";
import type { RequestCheck } from "./check-requests.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Undefined without tracing, and for paths outside /v1. */
    callSpan: CallSpan | undefined;
  }
}

/** Must come before every check that can refuse. */
export function traceRequests(app: FastifyInstance, tracer: CallTracer): RequestCheck {
  app.decorateRequest("callSpan", undefined);
  // The last hook before the handler, because reading the body would lose the asynchronous context.
  app.addHook("preHandler", (request, _reply, done) => {
    if (request.callSpan === undefined) done();
    else request.callSpan.run(done);
  });
  return (request, reply) => {
    if (pathOf(request).startsWith("/v1/")) begin(tracer, request, reply);
  };
}

function pathOf({ url }: FastifyRequest): string {
  const [path = ""] = url.split("?", 1);
  return path;
}

function begin(tracer: CallTracer, request: FastifyRequest, { raw: response }: FastifyReply): void {
  const { url: route } = request.routeOptions;
  const span = tracer.beginRequest({
    method: request.method,
    path: pathOf(request),
    route: route === undefined ? undefined : routeLabel(route),
    scheme: request.protocol,
    requestId: request.id,
    host: request.headers.host,
    peer: peerAddress(request.raw.socket.remoteAddress),
    header: (name) => request.headers[name],
  });
  request.callSpan = span;
  response.once("close", () => {
    const isAnswered = response.writableFinished;
    if (!isAnswered) span.failed({ reason: "CALL_CANCELLED", message: "The client has gone away." });
    span.end(isAnswered ? response.statusCode : undefined);
  });
}
