/** Stops a connection from being read, below TLS, HTTP/2 and whatever else reads it. */
import type { Socket } from "node:net";

/**
 * What its other end sends then stays with the system, whose buffer is small. Node has no public way to do so
 * for a socket whose bytes go to HTTP/2 or to a parser without coming by in JavaScript.
 * @returns false when this Node knows the way by another name: then the caller has to close it.
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
