/** Builds both wires of a daemon behind its one gate, and binds them to their addresses. */
import { hostname } from "node:os";
import { setLogger } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type { DeviceRegistry } from "../api/devices.ts";
import { RequestLedger } from "../api/idempotency.ts";
import type { Security } from "../auth/security.ts";
import type { Config } from "../config/config.ts";
import type { ListenAddress } from "../config/listen.ts";
import type { EventHub } from "../events/event-hub.ts";
import { CallRate } from "../gate/call-rate.ts";
import { Gate } from "../gate/gate.ts";
import type { LoopWatch } from "../gate/loop-probe.ts";
import { StrangerLog } from "../gate/stranger-log.ts";
import { buildGrpc } from "../grpc/build-grpc.ts";
import { TlsCredentials } from "../grpc/tls-credentials.ts";
import { buildHttp } from "../http/build-http.ts";
import { systemClock } from "../machine/system-clock.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { CallTracer } from "../tracing/call-tracer.ts";
import { bindGrpc, bindHttp } from "./bind.ts";
import type { Servers } from "./drain.ts";

export interface WiresDeps {
  readonly devices: DeviceRegistry;
  readonly events: EventHub;
  readonly security: Security;
  readonly loop: LoopWatch;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Undefined without tracing. */
  readonly tracer: CallTracer | undefined;
  /** Version of the daemon, for the documentation. */
  readonly version: string;
  readonly isReady: () => boolean;
}

/** The addresses on which a daemon listens, with the ports that the system chose. */
export interface Addresses {
  readonly http: ListenAddress;
  readonly grpc: ListenAddress;
}

/** Builds both servers. gRPC health says NOT_SERVING at first. */
export function buildWires(config: Config, deps: WiresDeps): Servers {
  const { devices, events, security, log: logger, metrics, tracer, version, isReady } = deps;
  const gate = buildGate(config, deps);
  const ledger = new RequestLedger(systemClock);
  const observer = metrics.calls;
  const strangerLog = new StrangerLog(logger, { onDropped: () => observer.onLineThrottled() });
  const shared = { devices, events, gate, ledger, logger, observer, strangerLog, tracer };
  const app = buildHttp({
    ...shared,
    tls: security.tls,
    version,
    // The machine's own name, which in a container is its short id. No foreign page can have it as its host.
    allowedHosts: [...config.allowedHosts, hostname()],
    corsOrigins: config.corsOrigins,
    isReady,
    metrics: (accept) => metrics.scrape(accept),
  });
  // Only errors of the library come here, unless GRPC_VERBOSITY says otherwise. Otherwise it would bypass the
  // log.
  setLogger({
    error: (text: unknown) =>
      strangerLog.write("warn", { grpc: String(text) }, "a message of the gRPC library"),
  });
  const grpc = buildGrpc(shared);
  grpc.setServing(false);
  return { app, grpc, gate };
}

/** Binds both. If one cannot be bound, closes both. @throws Error if an address cannot be bound */
export async function listen(servers: Servers, config: Config, { tls }: Security): Promise<Addresses> {
  try {
    const http = await bindHttp(servers.app, config.http);
    const credentials = tls && new TlsCredentials(tls);
    return { http, grpc: await bindGrpc(servers.grpc.server, config.grpc, credentials) };
  } catch (error) {
    await servers.app.close();
    servers.grpc.server.forceShutdown();
    throw error;
  }
}

function buildGate({ callsPerSecond }: Config, { security, loop, log }: WiresDeps): Gate {
  const now = () => performance.now();
  const { authenticator } = security;
  return new Gate({
    authenticator,
    // If callers can be told apart, their actions are recorded at every log level.
    log: authenticator.required && log.level !== "silent" ? log.child({}, { level: "info" }) : log,
    rate: callsPerSecond === undefined ? undefined : new CallRate(callsPerSecond, now),
    isOverloaded: () => loop.probe.overloaded,
    now,
  });
}
