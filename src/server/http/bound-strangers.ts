/**
 * Where every request comes in. Those of somebody unknown are counted before anything is made of them, and no
 * more is read when they are too many; those that are taken have their turns.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Connections } from "../gate/connections.ts";
import { FairTurns } from "../gate/fair-turns.ts";
import { CALLS_TURN_MS } from "../limits.ts";

/**
 * Must be called after everybody else has begun to listen to the server: nobody hears of a request that is
 * not taken. What fastify itself refuses, such as a path that cannot be read, is counted so too.
 */
export function boundStrangers(server: Server, connections: Connections): void {
  const turns = new FairTurns({ turnMs: CALLS_TURN_MS });
  for (const event of ["request", "checkContinue", "checkExpectation"]) {
    const listeners = server.listeners(event);
    server.removeAllListeners(event);
    if (listeners.length === 0) continue;
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      if (!connections.take(socket)) return keepQuiet(socket);
      turns.run(socket, () => {
        // Nobody would hear of an end that was there before.
        if (response.closed || socket.destroyed) return;
        for (const listener of listeners) Reflect.apply(listener, server, [request, response]);
      });
    });
  }
}

/** Node reads on by itself once the answers before have left; here nothing is to be read any more. */
function keepQuiet(socket: Socket): void {
  socket.pause();
  socket.resume = () => socket;
}
