/** Tells the observer of each request when its answer has gone, or its client has. */
import type { FastifyInstance } from "fastify";
import { routeLabel } from "../../contract/route-path.ts";
import type { WireObserver } from "../gate/observer.ts";

/**
 * What a request is counted with that got no answer, because its client went away: nginx has it so, and no
 * server sends it.
 */
const CLIENT_GONE = 499;

/** Must be called before anything that can refuse a request. */
export function observeRequests(app: FastifyInstance, observer: WireObserver | undefined): void {
  if (observer?.onHttpEnd === undefined) return;
  app.addHook("onRequest", (request, { raw: response }, done) => {
    const startMs = performance.now();
    const { method } = request;
    const route = routeLabel(request.routeOptions.url ?? "unknown");
    response.once("close", () => {
      const status = response.writableFinished ? response.statusCode : CLIENT_GONE;
      observer.onHttpEnd?.({ route, method, status, seconds: (performance.now() - startMs) / 1000 });
    });
    done();
  });
}
