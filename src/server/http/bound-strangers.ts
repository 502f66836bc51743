/**
 * Counts the requests of somebody unknown before anything is made of them, and reads no more when they are
 * too many.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Connections } from "../gate/connections.ts";

/**
 * Must be called after everybody else has begun to listen to the server: nobody hears of a request that is
 * not taken. What fastify itself refuses, such as a path that cannot be read, is counted so too.
 */
export function boundStrangers(server: Server, connections: Connections): void {
  for (const event of ["request", "checkContinue", "checkExpectation"]) {
    const listeners = server.listeners(event);
    server.removeAllListeners(event);
    if (listeners.length === 0) continue;
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      if (!connections.take(request.socket)) return keepQuiet(request.socket);
      for (const listener of listeners) Reflect.apply(listener, server, [request, response]);
    });
  }
}

/** Node reads on by itself once the answers before have left; here nothing is to be read any more. */
function keepQuiet(socket: Socket): void {
  socket.pause();
  socket.resume = () => socket;
}
