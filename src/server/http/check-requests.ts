/** What a request passes as soon as its head is here, before anything of its body is read. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { REQUEST_ID_HEADER } from "../gate/request-id.ts";

/**
 * Lets a request pass, answers it, or throws. @param route that of the request: fastify makes a new
 * description of it each time that it is asked for one.
 */
export type RequestCheck = (
  request: FastifyRequest,
  reply: FastifyReply,
  route: FastifyRequest["routeOptions"],
) => "answered" | undefined;

/**
 * Has every request pass `checks` in this order, after its answer was given its id. One hook for all, because
 * each costs every request.
 */
export function checkRequests(app: FastifyInstance, checks: readonly RequestCheck[]): void {
  app.addHook("onRequest", (request, reply, done) => {
    void reply.header(REQUEST_ID_HEADER, request.id);
    const route = request.routeOptions;
    for (const check of checks) {
      if (check(request, reply, route) === "answered") return;
    }
    done();
  });
}
