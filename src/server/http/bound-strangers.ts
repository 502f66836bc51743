/**
 * The entry of every request. Requests of unknown clients are counted before anything else happens, and a
 * connection with too many is not read any more. Accepted requests take turns.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Connections } from "../gate/connections.ts";
import { FairTurns } from "../gate/fair-turns.ts";
import { CALLS_TURN_MS } from "../limits.ts";

/**
 * Call this after all other listeners have been added to the server: they do not see a request that is not
 * accepted. Requests that fastify itself refuses, such as unreadable paths, are counted too.
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
        // Listeners added now would not see an end that has already happened.
        if (response.closed || socket.destroyed) return;
        for (const listener of listeners) Reflect.apply(listener, server, [request, response]);
      });
    });
  }
}

/** Stops reading for good. Otherwise Node would continue to read once the earlier answers have left. */
function keepQuiet(socket: Socket): void {
  socket.pause();
  socket.resume = () => socket;
}
