/** The REST server, built but not listening. */
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from "fastify";
import type { DeviceRegistry } from "../devices.ts";
import { WireError } from "../errors.ts";
import { HTTP_BODY_BYTES_MAX, PATH_PARAMETER_LENGTH_MAX } from "../limits.ts";
import type { WireObserver } from "../observer.ts";
import { unaryRpcs } from "../rpc.ts";
import { answerClientError } from "./client-error.ts";
import { contentRoutes } from "./content-routes.ts";
import { docsPage } from "./docs-page.ts";
import { replyWithError } from "./error-reply.ts";
import { deferContinue } from "./expect-continue.ts";
import { type MetricsSource, monitoringRoutes } from "./monitoring-routes.ts";
import { answerUnknownRoutes } from "./not-found.ts";
import { guardOrigin } from "./origin-guard.ts";
import { routeLabel } from "./route-path.ts";
import { transcodedRoutes } from "./transcoder.ts";

export interface HttpDeps {
  readonly devices: DeviceRegistry;
  readonly logger: FastifyBaseLogger;
  /** Version of the daemon, for the documentation. */
  readonly version: string;
  /** Names, besides loopback and the bound address, under which the daemon may be called. */
  readonly allowedHosts: readonly string[];
  readonly isReady: () => boolean;
  /** What /metrics answers; without it there is no such route. */
  readonly metrics?: MetricsSource;
  readonly observer?: WireObserver;
}

/** Builds the server: `await app.listen({ host, port })` starts it, `await app.close()` drains it. */
export function buildHttp(deps: HttpDeps): FastifyInstance {
  const app: FastifyInstance = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: HTTP_BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PATH_PARAMETER_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => void replyWithError(error, request, reply),
    clientErrorHandler: answerClientError,
    forceCloseConnections: "idle",
    return503OnClosing: false,
  });
  app.setErrorHandler(replyWithError);
  answerUnknownRoutes(app);
  refuseWhileClosing(app);
  guardOrigin(app, deps.allowedHosts);
  deferContinue(app);
  observe(app, deps.observer);
  monitoringRoutes(app, { isReady: deps.isReady, version: deps.version, metrics: deps.metrics });
  app.register((scope, _options, done) => {
    transcodedRoutes(scope, unaryRpcs(deps.devices));
    done();
  });
  app.register((scope, _options, done) => {
    contentRoutes(scope, deps.devices);
    done();
  });
  docsPage(app);
  return app;
}

/** Requests on connections that were open before `close` was called. */
function refuseWhileClosing(app: FastifyInstance): void {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
  });
  app.addHook("onRequest", async () => {
    if (closing) throw new WireError("SHUTTING_DOWN", "The daemon is shutting down.");
  });
}

function observe(app: FastifyInstance, observer: WireObserver | undefined): void {
  if (observer?.onHttpEnd === undefined) return;
  app.addHook("onResponse", async (request, reply) => {
    observer.onHttpEnd?.({
      route: routeLabel(request.routeOptions.url ?? "unknown"),
      method: request.method,
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1000,
    });
  });
}
