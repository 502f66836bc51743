/** The end of a daemon: running calls first, then the devices, each with a deadline. */
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { settledWithin, sleep } from "../../device/clock.ts";
import type { Device } from "../../device/mod.ts";
import { SHUTDOWN_CLOSE_MS, SHUTDOWN_POLL_MS } from "../daemon-limits.ts";
import type { GrpcWire } from "../grpc/build.ts";
import { systemClock } from "../machine/system-clock.ts";

export interface Servers {
  readonly app: FastifyInstance;
  readonly grpc: GrpcWire;
}

export interface DrainOptions {
  readonly devices: ReadonlyMap<string, Device>;
  readonly log: Logger;
  /** How long running calls may go on. */
  readonly deadlineMs: number;
}

/**
 * Takes no new calls, and lets running calls and transitions finish. Answers whether they did; at the deadline calls
 * are cut off.
 */
export async function drain({ app, grpc }: Servers, options: DrainOptions): Promise<boolean> {
  const { devices, log, deadlineMs } = options;
  grpc.setServing(false);
  let late = false;
  const calls = Promise.all([
    closeHttp(app),
    new Promise<void>((resolve) => grpc.server.tryShutdown(() => resolve())),
  ]);
  const transitions = Promise.all([...devices.values()].map((device) => transitionEnded(device, () => late)));
  if (await settledWithin(systemClock, Promise.all([calls, transitions]), deadlineMs)) return true;
  log.warn({ deadlineMs }, "calls or transitions were still running at the deadline and are cut off");
  late = true;
  grpc.server.forceShutdown();
  app.server.closeAllConnections();
  await calls;
  return false;
}

/** Connections that become idle while the server closes would be kept for their keep-alive time: they are closed. */
async function closeHttp(app: FastifyInstance): Promise<void> {
  const closed = app.close().then(() => undefined);
  while (!(await settledWithin(systemClock, closed, SHUTDOWN_POLL_MS))) app.server.closeIdleConnections();
}

/** A transition that nobody waits for has no call to drain; it is looked at until it has ended. */
async function transitionEnded(device: Device, isLate: () => boolean): Promise<void> {
  while (!isLate()) {
    const { powerState } = await device.execute({ type: "getDevice" });
    if (powerState !== "SUSPENDING" && powerState !== "RESUMING") return;
    await sleep(systemClock, SHUTDOWN_POLL_MS);
  }
}

/** Closes the devices; what LMEM and SMEM held is gone then. */
export async function closeDevices(devices: ReadonlyMap<string, Device>, log: Logger): Promise<void> {
  const closing = Promise.all([...devices.values()].map((device) => device.close()));
  if (await settledWithin(systemClock, closing, SHUTDOWN_CLOSE_MS)) return;
  log.warn({ deadlineMs: SHUTDOWN_CLOSE_MS }, "the devices did not close by the deadline");
}
