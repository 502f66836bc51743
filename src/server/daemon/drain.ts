/** Ends a daemon's calls: it accepts no more, running calls finish, and no peer can hold that up. */
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { settledWithin, sleep } from "../../device/clock.ts";
import type { Device } from "../../device/mod.ts";
import { SHUTDOWN_CUT_MS, SHUTDOWN_LINGER_MS, SHUTDOWN_POLL_MS } from "../daemon-limits.ts";
import type { Gate } from "../gate/gate.ts";
import type { GrpcWire } from "../grpc/build-grpc.ts";
import { systemClock } from "../machine/system-clock.ts";

export interface Servers {
  readonly app: FastifyInstance;
  readonly grpc: GrpcWire;
  /** Knows which calls are in progress. */
  readonly gate: Pick<Gate, "inProgress">;
}

export interface DrainOptions {
  readonly devices: ReadonlyMap<string, Device>;
  readonly log: Logger;
  /** How long running calls may continue. */
  readonly deadlineMs: number;
}

/**
 * Accepts no new calls, and lets running calls and transitions finish. Connected peers without a call do not
 * count: they are cut off when the calls have ended. Never takes longer than the deadline and
 * SHUTDOWN_CUT_MS.
 * @returns whether every call and transition finished; those still running at the deadline are cut off
 */
export async function drain(servers: Servers, options: DrainOptions): Promise<boolean> {
  const { devices, log, deadlineMs } = options;
  let over = false;
  const isOver = () => over;
  const closed = closeDoors(servers, { log, isOver });
  const calls = Promise.race([closed, callsEnded(servers.gate, isOver)]);
  const transitions = [...devices.values()].map((device) => transitionEnded(device, isOver));
  const done = Promise.all([calls, ...transitions]);
  const drained = await settledWithin(systemClock, done, deadlineMs).catch((error: unknown) => {
    log.error({ err: error }, "the calls could not be waited for");
    return false;
  });
  over = true;
  if (!drained) {
    const { inProgress } = servers.gate;
    log.warn(
      { deadlineMs, calls: inProgress },
      "calls or transitions still run at the deadline and are cut off",
    );
  }
  cutOff(servers);
  await settledWithin(systemClock, closed, SHUTDOWN_CUT_MS);
  return drained;
}

/** Resolves when both servers and all their connections have closed. Never rejects. */
async function closeDoors(
  { app, grpc }: Servers,
  { log, isOver }: { readonly log: Logger; readonly isOver: () => boolean },
): Promise<void> {
  grpc.setServing(false);
  const http = app.close().catch((error: unknown) => log.warn({ err: error }, "REST did not close in order"));
  // Connections that become idle while the server closes would stay open for their keep-alive time.
  const idle = async () => {
    while (!isOver() && !(await settledWithin(systemClock, http, SHUTDOWN_POLL_MS))) {
      app.server.closeIdleConnections();
    }
  };
  await Promise.all([http, idle(), new Promise<void>((resolve) => grpc.server.tryShutdown(() => resolve()))]);
}

/** Resolves when no call has been in progress for a moment, in which the last answers are sent. */
async function callsEnded(gate: Servers["gate"], isOver: () => boolean): Promise<void> {
  for (let quietMs = 0; quietMs < SHUTDOWN_LINGER_MS && !isOver(); quietMs += SHUTDOWN_POLL_MS) {
    if (gate.inProgress > 0) quietMs = 0;
    await sleep(systemClock, SHUTDOWN_POLL_MS);
  }
}

/** A transition that nobody waits for has no call to drain, so it is polled until it has ended. */
async function transitionEnded(device: Device, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const { powerState } = await device.execute({ type: "getDevice" });
    if (powerState !== "SUSPENDING" && powerState !== "RESUMING") return;
    await sleep(systemClock, SHUTDOWN_POLL_MS);
  }
}

function cutOff({ app, grpc }: Servers): void {
  grpc.server.forceShutdown();
  app.server.closeAllConnections();
}
