/** Puts a built server on its address, and says which address that became. */
import { lookup } from "node:dns/promises";
import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, isIP } from "node:net";
import { Server as TlsServer } from "node:tls";
import { type Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import type { FastifyInstance } from "fastify";
import { formatListenAddress, type ListenAddress } from "../config/listen.ts";
import { StartError } from "../machine/start-error.ts";
import { openSideDoor } from "./side-doors.ts";

/** Only the user who runs the daemon may connect to its sockets. */
const SOCKET_MODE = 0o600;

/** The setting that says where a wire listens. */
const FLAGS = { REST: "--http", gRPC: "--grpc" } as const;

/** All addresses of a name. */
export type AddressesOf = (host: string) => Promise<readonly string[]>;

/**
 * Listens on every address of the name that this machine has, as gRPC does: localhost may be 127.0.0.1 and
 * ::1.
 * @throws Error with a whole sentence when the address cannot be had.
 */
export async function bindHttp(
  app: FastifyInstance,
  address: ListenAddress,
  addressesOf: AddressesOf = lookUp,
): Promise<ListenAddress> {
  return named("REST", address, async () => {
    if (address.kind === "unix") {
      await removeStaleSocket(address.path);
      await app.listen({ path: address.path });
      await chmod(address.path, SOCKET_MODE);
      return address;
    }
    const hosts = await addressesOf(address.host);
    let port: number | undefined;
    for (const host of hosts) {
      try {
        if (port === undefined) port = await listenFirst(app, host, address.port);
        else await openSideDoor(app.server, host, port);
      } catch (error) {
        if (!isNotHere(error) || (port === undefined && host === hosts.at(-1))) throw error;
      }
    }
    return { ...address, port: port ?? address.port };
  });
}

/**
 * Not by its name: for localhost fastify would open further servers by itself, which nobody guards. Answers
 * the port.
 */
async function listenFirst(app: FastifyInstance, host: string, port: number): Promise<number> {
  const listenTextResolver = (url: string) => `Server listening at ${withScheme(app, url)}`;
  await app.listen({ host, port, listenTextResolver });
  const bound = app.server.address();
  return bound === null || typeof bound === "string" ? port : bound.port;
}

async function lookUp(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await lookup(host, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}

/** Whether a name has an address that this machine has not, such as ::1 where there is no IPv6. */
function isNotHere(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
}

/** @throws Error with a whole sentence when the address cannot be had. */
export function bindGrpc(
  server: GrpcServer,
  address: ListenAddress,
  credentials: ServerCredentials = ServerCredentials.createInsecure(),
): Promise<ListenAddress> {
  return named("gRPC", address, async () => {
    if (address.kind === "unix") await removeStaleSocket(address.path);
    const port = await new Promise<number>((resolve, reject) => {
      const target = formatListenAddress(address);
      server.bindAsync(target, credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    if (address.kind === "unix") await chmod(address.path, SOCKET_MODE);
    return address.kind === "unix" ? address : { ...address, port };
  });
}

/** Fastify assumes that a server it did not make itself has no TLS. */
function withScheme(app: FastifyInstance, url: string): string {
  return app.server instanceof TlsServer ? url.replace(/^http:/, "https:") : url;
}

async function named<T>(
  wire: keyof typeof FLAGS,
  address: ListenAddress,
  bind: () => Promise<T>,
): Promise<T> {
  try {
    return await bind();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // The gRPC library wraps the system's message into a list of what happened at each address of a name.
    const why = /resolved errors: \[(.*)\]$/.exec(text)?.[1] ?? text;
    const what = `Address ${formatListenAddress(address)} cannot be listened on for ${wire}: ${why}.`;
    throw new StartError(`${what}${whatToDo(FLAGS[wire], address, why)}`, { cause: error });
  }
}

function whatToDo(flag: string, { kind }: ListenAddress, why: string): string {
  if (kind === "unix") return "";
  if (why.includes("EADDRINUSE")) {
    return (
      ` Another program has that port: end it, or name another one with ${flag}; with port 0 ` +
      `the system chooses.`
    );
  }
  if (why.includes("EADDRNOTAVAIL")) {
    return (
      ` This machine has no such address: name one that it has with ${flag}, such as [::1]:0 ` +
      `where there is IPv6 only.`
    );
  }
  return "";
}

/**
 * Removes the leftover of a killed daemon: a socket on which nobody answers. Leaves everything else alone.
 */
async function removeStaleSocket(path: string): Promise<void> {
  // A connection to a plain file is refused too, so check first what kind of file it is.
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() && (await isRefused(path))) await unlink(path);
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", (error) => resolve("code" in error && error.code === "ECONNREFUSED"));
  });
}
