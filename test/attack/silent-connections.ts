/** Connections that are opened and say nothing, begin a handshake and stop, or speak half a request. */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Attack, Bounds, Done, Endpoint, Target } from "./siege/attack.ts";
import { callHeaders, envelope, FLAG, FRAME, frame, PREFACE } from "./siege/frames.ts";
import { HEALTH_CHECK, HEALTH_WATCH } from "./siege/grpc-session.ts";
import { closed, openPlain, openTls, send, swarm } from "./siege/swarm.ts";

const STREAMS = 500;
/** Below the largest message, of which the last byte never comes. */
const HALF_BYTES = 2 ** 20;

export const silentConnections: Attack = {
  name: "connections that never speak",
  by: "stranger",
  run: (target, bounds) => hold(target, bounds, (endpoint) => openPlain(endpoint, bounds)),
};

/** The head of a record of TLS that announces 512 bytes of a ClientHello, and some of them. */
const HALF_HELLO = Buffer.concat([Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]), randomBytes(100)]);

export const halfHandshakes: Attack = {
  name: "handshakes that stop half way",
  by: "stranger",
  run: (target, bounds) =>
    hold(target, bounds, async (endpoint) => {
      const socket = await openPlain(endpoint, bounds);
      await send(socket, HALF_HELLO);
      return socket;
    }),
};

export const idleSessions: Attack = {
  name: "connections that are silent after their handshake",
  by: "stranger",
  run: (target, bounds) =>
    hold(target, bounds, (endpoint) =>
      openTls(endpoint, endpoint === target.http ? "http/1.1" : "h2", bounds),
    ),
};

export const halfRequests: Attack = {
  name: "requests that stop half way",
  by: "stranger",
  run: (target, bounds) =>
    hold(target, bounds, async (endpoint) => {
      if (endpoint === target.grpc) return halfCalls(endpoint, bounds, HEALTH_CHECK);
      const socket = await openTls(endpoint, "http/1.1", bounds);
      await send(socket, "POST /v1/devices/card0:resume HTTP/1.1\r\nHost: localhost\r\nX-Half: ");
      return socket;
    }),
};

export const silentStreams: Attack = {
  name: "streams that are silent",
  by: "stranger",
  run: (target, bounds) =>
    hold(target, bounds, (endpoint) =>
      endpoint === target.grpc
        ? halfCalls(endpoint, bounds, HEALTH_WATCH, 0)
        : openTls(endpoint, "http/1.1", bounds),
    ),
};

/** Opens connections to both ports in turn, and holds each until the daemon ends it. */
function hold(
  { http, grpc }: Target,
  bounds: Bounds,
  open: (endpoint: Endpoint) => Promise<Socket>,
): Promise<Done> {
  return swarm(bounds, async (tally) => {
    if (!tally.take()) return;
    const socket = await open(tally.acts % 2 === 0 ? http : grpc);
    socket.resume();
    await closed(socket);
  });
}

/** Calls whose message announces more than will ever come. */
async function halfCalls(
  endpoint: Endpoint,
  bounds: Bounds,
  path: string,
  bytes = HALF_BYTES,
): Promise<Socket> {
  const socket = await openTls(endpoint, "h2", bounds);
  await send(socket, Buffer.concat([PREFACE, frame({ type: FRAME.settings })]));
  const block = callHeaders(path);
  const whole = envelope(Buffer.alloc(bytes)).subarray(0, -1);
  for (let stream = 1; stream < 2 * STREAMS && !socket.destroyed; stream += 2) {
    await send(socket, frame({ type: FRAME.headers, flags: FLAG.endHeaders, stream, payload: block }));
    // As much as every stream may send without being asked (RFC 9113, 6.9.2).
    const half = whole.subarray(0, 16_000);
    if (bytes > 0) await send(socket, frame({ type: FRAME.data, stream, payload: half }));
  }
  return socket;
}
