/** Stops reading a connection, below TLS, HTTP/2 and every other reader. */
import type { Socket } from "node:net";

/**
 * Later bytes stay in the system's small buffer. Node has no public way to do this for a socket whose bytes
 * go directly to HTTP/2 or a parser.
 * @returns false if this Node has another name for it. Then the caller must close the socket.
 */
export function stopReading(socket: Socket): boolean {
  if (socket.destroyed) return true;
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return false;
  const stop: unknown = Reflect.get(handle, "readStop");
  if (typeof stop !== "function") return false;
  Reflect.apply(stop, handle, []);
  return true;
}
