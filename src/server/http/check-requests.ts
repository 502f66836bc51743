/** Checks each request when its head has arrived, before any of its body is read. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { REQUEST_ID_HEADER } from "../gate/request-id.ts";

/**
 * Lets a request pass, answers it, or throws. @param route the route of the request, passed in because
 * fastify makes a new description each time it is asked.
 */
export type RequestCheck = (
  request: FastifyRequest,
  reply: FastifyReply,
  route: FastifyRequest["routeOptions"],
) => "answered" | undefined;

/**
 * Runs `checks` on every request in this order, after giving its answer an id. One hook runs them all,
 * because each hook costs every request.
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
