/** A connection that speaks HTTP/2 by the book, for attacks by calls rather than by frames. */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Bounds, Endpoint } from "./attack.ts";

export const HEALTH_CHECK = "/grpc.health.v1.Health/Check";
export const HEALTH_WATCH = "/grpc.health.v1.Health/Watch";

/** Opens one. It is destroyed when the time is over. */
export async function openSession({ host, port }: Endpoint, { signal }: Bounds): Promise<ClientHttp2Session> {
  const session = connect(`https://${host}:${port}`, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  const end = () => session.destroy();
  signal.addEventListener("abort", end, { once: true });
  session.on("close", () => signal.removeEventListener("abort", end));
  await once(session, "connect", { signal });
  return session;
}

/** The metadata, or the header, that says who calls. */
export function bearer(token: string): { readonly authorization: string } {
  return { authorization: `Bearer ${token}` };
}

/** Begins a call; its errors are of no interest. */
export function call(
  session: ClientHttp2Session,
  path: string,
  more: OutgoingHttpHeaders = {},
): ClientHttp2Stream {
  const fixed = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request({ ...fixed, ...more });
  stream.on("error", () => undefined);
  stream.resume();
  return stream;
}

/**
 * Resolves when the stream has ended, one way or another. Not at once: on a connection that the daemon has
 * ended streams end before a timer has its turn, and an attacker who goes on without a pause would never see
 * that its time is over.
 */
export function ended(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) setImmediate(resolve);
    else stream.once("close", () => setImmediate(resolve));
  });
}
