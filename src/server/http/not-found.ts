/** Paths that no route serves: 405 with `Allow` when another method would, else 404. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { routePattern } from "../../contract/route-path.ts";
import { WireError } from "../messages/wire-error.ts";
import type { RequestCheck } from "./check-requests.ts";

/**
 * Must be called before the first route is added, because it watches routes being added. The check refuses
 * such requests before fastify would wait for their bodies.
 */
export function answerUnknownRoutes(app: FastifyInstance): RequestCheck {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook("onRoute", ({ url, method }) => {
    routes.push({ pattern: routePattern(url), methods: [method].flat() });
  });
  app.setNotFoundHandler(refuse);
  return (request, reply, { url }) => {
    if (url === undefined) refuse(request, reply);
  };

  function refuse(request: FastifyRequest, reply: FastifyReply): never {
    const path = request.url.split("?")[0] ?? "";
    const allowed = [
      ...new Set(routes.filter((route) => route.pattern.test(path)).flatMap((route) => route.methods)),
    ];
    const metadata = { method: request.method, path };
    // If a route takes the method and still did not match, a name in the path has the wrong form.
    if (allowed.length === 0 || allowed.includes(request.method)) {
      throw new WireError(
        "ROUTE_NOT_FOUND",
        `There is nothing at ${path}; /docs lists what there is.`,
        metadata,
      );
    }
    void reply.header("allow", allowed.join(", "));
    throw new WireError(
      "INVALID_REQUEST",
      `Method ${request.method} is not known at ${path}, which takes ${allowed.join(", ")}.`,
      metadata,
    ).withHttpStatus(405);
  }
}
