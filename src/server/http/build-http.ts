/** The REST server, built but not listening. */
import assert from "node:assert/strict";
import type { ServerOptions } from "node:http";
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  fastify,
  LogController,
} from "fastify";
import { OPENAPI } from "../../contract/gen/openapi.ts";
import type { DeviceRegistry } from "../api/devices.ts";
import type { RequestLedger } from "../api/idempotency.ts";
import { unaryRpcs } from "../api/rpc.ts";
import type { EventHub } from "../events/event-hub.ts";
import { Connections } from "../gate/connections.ts";
import type { Gate } from "../gate/gate.ts";
import type { WireObserver } from "../gate/observer.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../gate/request-id.ts";
import { StrangerLog } from "../gate/stranger-log.ts";
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_KEEP_ALIVE_MS,
  PATH_PARAMETER_LENGTH_MAX,
  REQUEST_ARRIVAL_MS,
} from "../limits.ts";
import type { ServerTls } from "../machine/tls-material.ts";
import { WireError } from "../messages/wire-error.ts";
import type { CallTracer } from "../tracing/call-tracer.ts";
import { AnswersUnderWay } from "./answers-under-way.ts";
import { boundArrival } from "./bound-arrival.ts";
import { boundStrangers } from "./bound-strangers.ts";
import { checkRequests, type RequestCheck } from "./check-requests.ts";
import { answerExpectation, clientErrorHandler } from "./client-error.ts";
import { contentRoutes } from "./content-routes.ts";
import { docsPage } from "./docs-page.ts";
import { replyWithError } from "./error-reply.ts";
import { eventRoutes } from "./event-routes.ts";
import { deferContinue } from "./expect-continue.ts";
import { auditRefusals, guardCalls } from "./guard-calls.ts";
import { type MetricsSource, monitoringRoutes } from "./monitoring-routes.ts";
import { answerUnknownRoutes } from "./not-found.ts";
import { observeRequests } from "./observe-requests.ts";
import { guardOrigin, HOST_IS_CHECKED } from "./origin-guard.ts";
import { requireReadableQuery } from "./readable-query.ts";
import { sendTogether } from "./send-together.ts";
import { refuseRepeatedHeaders } from "./single-headers.ts";
import { tlsServer } from "./tls-server.ts";
import { traceRequests } from "./trace-requests.ts";
import { transcodedRoutes } from "./transcoder.ts";

export interface HttpDeps {
  readonly devices: DeviceRegistry;
  readonly gate: Gate;
  readonly events: EventHub;
  /** The daemon's ledger, shared by both wires. */
  readonly ledger: RequestLedger;
  readonly logger: FastifyBaseLogger;
  /** Version of the daemon, for the documentation. */
  readonly version: string;
  /** Names, besides loopback and the bound address, under which the daemon may be called. */
  readonly allowedHosts: readonly string[];
  /** Other web origins whose pages may call the daemon. @default none */
  readonly corsOrigins?: readonly string[] | undefined;
  /** @default none: plain HTTP */
  readonly tls?: ServerTls | undefined;
  readonly isReady: () => boolean;
  /** The source of /metrics; without it that route does not exist. */
  readonly metrics?: MetricsSource;
  readonly observer?: WireObserver;
  /** @default none: no tracing */
  readonly tracer?: CallTracer | undefined;
  /** How long a request may take to arrive. Unit: milliseconds. @default REQUEST_ARRIVAL_MS */
  readonly arrivalMs?: number | undefined;
  /** Limits the log lines that strangers cause, for both wires. @default one for this wire alone */
  readonly strangerLog?: StrangerLog;
}

/**
 * No route has a schema: the proto and the device check requests. Without this option fastify loads two
 * schema compilers.
 */
const NO_SCHEMAS = {
  compilersFactory: {
    buildValidator: () => () => assert.fail("a route has a schema"),
    buildSerializer: () => () => assert.fail("a route has a schema"),
  },
};

/**
 * Given to the server itself, too: one that fastify did not make has Node's, which end an upload after five
 * minutes. How long a request may take is bounded where it is known what it is.
 */
const TIMES = { requestTimeout: 0, keepAliveTimeout: HTTP_KEEP_ALIVE_MS } as const;

/** Builds the server: `await app.listen({ host, port })` starts it, `await app.close()` drains it. */
export function buildHttp(deps: HttpDeps): FastifyInstance {
  const { observer, gate } = deps;
  const answers = new AnswersUnderWay();
  const app: FastifyInstance = fastify({
    ...serverOf(deps.tls),
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
    genReqId: ({ headers }) => requestIdOf(headers[REQUEST_ID_HEADER]),
    bodyLimit: HTTP_BODY_BYTES_MAX,
    schemaController: NO_SCHEMAS,
    // We wrote the parameter patterns and know that they are safe. Checking each of them took a tenth of the
    // start.
    routerOptions: { maxParamLength: PATH_PARAMETER_LENGTH_MAX, allowUnsafeRegex: true },
    frameworkErrors: (error, request, reply) =>
      void replyWithError(error, request, reply.header(REQUEST_ID_HEADER, request.id)),
    clientErrorHandler: clientErrorHandler(answers, (status) => {
      observer?.onHttpEnd?.({ route: "unknown", method: "unknown", status, seconds: 0 });
    }),
    forceCloseConnections: "idle",
    return503OnClosing: false,
  });
  app.server.on("checkExpectation", answerExpectation);
  const connections = new Connections({ wire: "rest", observer });
  connections.guard(app.server);
  const onDropped = () => observer?.onLineThrottled?.();
  app.decorate("strangerLog", deps.strangerLog ?? new StrangerLog(deps.logger, { onDropped }));
  app.setErrorHandler(replyWithError);
  const isClosing = watchClosing(app);
  const refuseUnknown = answerUnknownRoutes(app);
  checkRequests(app, [
    observeRequests(observer),
    ...(deps.tracer === undefined ? [] : [traceRequests(app, deps.tracer)]),
    auditRefusals(gate, refuseWhileClosing(isClosing)),
    auditRefusals(gate, refuseRepeatedHeaders),
    auditRefusals(
      gate,
      guardOrigin({
        allowedHosts: deps.allowedHosts,
        corsOrigins: deps.corsOrigins ?? [],
        scheme: deps.tls === undefined ? "http" : "https",
      }),
    ),
    guardCalls(app, gate, connections),
    refuseUnknown,
    requireReadableQuery,
  ]);
  deferContinue(app);
  boundArrival(app, deps.arrivalMs ?? REQUEST_ARRIVAL_MS);
  sendTogether(app, isClosing);
  const document = { ...OPENAPI, info: { ...OPENAPI.info, version: deps.version } };
  monitoringRoutes(app, { isReady: deps.isReady, document, metrics: deps.metrics });
  scope(app, "transcoded", (routes) => transcodedRoutes(routes, unaryRpcs(deps.devices, deps.ledger)));
  scope(app, "content", (routes) => contentRoutes(routes, deps));
  eventRoutes(app, deps);
  docsPage(app, document);
  boundStrangers(app.server, connections);
  answers.follow(app.server);
  return app;
}

/** Adds routes with their own parsers. Without a name, fastify would search all loaded modules for one. */
function scope(app: FastifyInstance, name: string, addRoutes: (routes: FastifyInstance) => void): void {
  const plugin = (routes: FastifyInstance, _options: unknown, done: () => void) => {
    addRoutes(routes);
    done();
  };
  app.register(Object.assign(plugin, { [Symbol.for("fastify.display-name")]: name }));
}

function serverOf(
  tls: ServerTls | undefined,
): Pick<FastifyServerOptions, "serverFactory" | keyof typeof TIMES> & { http?: ServerOptions } {
  return tls === undefined
    ? { http: HOST_IS_CHECKED, ...TIMES }
    : { serverFactory: (handler) => Object.assign(tlsServer(tls, handler), TIMES) };
}

/** Makes a function that says whether `close` has been called. */
function watchClosing(app: FastifyInstance): () => boolean {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
  });
  return () => closing;
}

/** Refuses requests on connections that were open before `close` was called. */
function refuseWhileClosing(isClosing: () => boolean): RequestCheck {
  return () => {
    if (isClosing()) throw new WireError("SHUTTING_DOWN", "The daemon is shutting down.");
  };
}
