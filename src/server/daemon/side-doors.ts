/**
 * Further addresses of a server, such as ::1 where it listens on localhost: what connects there is one of its
 * own connections, under the same bounds, and it has not closed before they have ended.
 */
import type { Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:net";

/** Listens on `host` at the port of `server` too. @throws Error when the address cannot be had */
export async function openSideDoor(server: HttpServer, host: string, port: number): Promise<void> {
  const door = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    server.emit("connection", socket),
  );
  door.maxConnections = server.maxConnections;
  door.on("drop", (data) => server.emit("drop", data));
  await new Promise<void>((resolve, reject) => {
    door.once("error", reject);
    door.listen({ host, port }, () => resolve(void door.off("error", reject)));
  });
  closeWith(server, door);
}

function closeWith(server: HttpServer, door: Server): void {
  const close = server.close.bind(server);
  server.close = (callback) => {
    const closed = new Promise<void>((resolve) => door.close(() => resolve()));
    return close((error) => void closed.then(() => callback?.(error)));
  };
}
