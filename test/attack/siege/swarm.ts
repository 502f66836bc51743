/**
 * Many connections at once, each opened anew when the daemon ends it, until the time or the number of acts is
 * over.
 */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import type { Bounds, Done, Endpoint } from "./attack.ts";

/** How long one connection may take to open. Unit: milliseconds. */
const CONNECT_MS = 5_000;
/** Between the end of a connection and the next: an attacker's, not a busy loop. Unit: milliseconds. */
const REOPEN_MS = 5;

/** What has been done so far, by all connections together. */
export class Tally implements Done {
  readonly #bounds: Bounds;
  acts = 0;
  sentBytes = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Takes one act of those that are left; false when there is none or the time is over. */
  take(bytes = 0): boolean {
    if (this.isOver) return false;
    this.acts++;
    this.sentBytes += bytes;
    return true;
  }

  get isOver(): boolean {
    return this.#bounds.signal.aborted || this.acts >= this.#bounds.acts;
  }
}

/** Runs `use` on as many connections as the bounds allow, again and again. */
export async function swarm(bounds: Bounds, use: (tally: Tally) => Promise<void>): Promise<Done> {
  const tally = new Tally(bounds);
  const { signal } = bounds;
  const over = once(signal, "abort");
  const runs = Array.from({ length: bounds.connections }, async () => {
    while (!tally.isOver) {
      await Promise.race([use(tally).catch(() => undefined), over]);
      await pause(REOPEN_MS, undefined, { signal }).catch(() => undefined);
    }
  });
  await Promise.all(runs);
  return { acts: tally.acts, sentBytes: tally.sentBytes };
}

/** Opens a connection without a word of TLS. It is destroyed when the time is over. */
export function openPlain({ host, port }: Endpoint, { signal }: Bounds): Promise<Socket> {
  return opened(connectTcp({ host, port }), "connect", signal);
}

/** Opens a connection over TLS. It is destroyed when the time is over. @param protocol for ALPN */
export function openTls(
  { host, port }: Endpoint,
  protocol: "h2" | "http/1.1",
  { signal }: Bounds,
): Promise<Socket> {
  const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: [protocol] });
  return opened(socket, "secureConnect", signal);
}

/** Resolves when the other end has closed, or the time is over. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once("close", () => resolve());
  });
}

/** Writes, and waits while the other end takes nothing. Rejects when the connection has ended. */
export function send(socket: Socket, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

function opened(socket: Socket, event: "connect" | "secureConnect", signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = () => {
      socket.destroy();
      reject(new Error("the connection could not be opened"));
    };
    const timer = setTimeout(fail, CONNECT_MS);
    const end = () => socket.destroy();
    signal.addEventListener("abort", end, { once: true });
    // What the daemon does to the connection is what is being tried: no error of it is one of ours.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      reject(new Error("the connection was ended"));
    });
    socket.once(event, () => {
      clearTimeout(timer);
      resolve(socket);
    });
    if (signal.aborted) fail();
  });
}
