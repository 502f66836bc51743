/** Puts a built server on its address, and says which address that became. */
import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { type Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import type { FastifyInstance } from "fastify";
import { formatListenAddress, type ListenAddress } from "./listen.ts";

/** @throws Error with a whole sentence when the address cannot be had. */
export async function bindHttp(app: FastifyInstance, address: ListenAddress): Promise<ListenAddress> {
  return named("REST", address, async () => {
    if (address.kind === "unix") {
      await removeStaleSocket(address.path);
      await app.listen({ path: address.path });
      return address;
    }
    await app.listen({ host: address.host, port: address.port });
    const bound = app.server.address();
    return { ...address, port: bound === null || typeof bound === "string" ? address.port : bound.port };
  });
}

/** @throws Error with a whole sentence when the address cannot be had. */
export function bindGrpc(server: GrpcServer, address: ListenAddress): Promise<ListenAddress> {
  return named("gRPC", address, async () => {
    if (address.kind === "unix") await removeStaleSocket(address.path);
    const port = await new Promise<number>((resolve, reject) => {
      const target = formatListenAddress(address);
      server.bindAsync(target, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    return address.kind === "unix" ? address : { ...address, port };
  });
}

async function named<T>(wire: string, address: ListenAddress, bind: () => Promise<T>): Promise<T> {
  try {
    return await bind();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // The gRPC library wraps what the system said into a list of what happened to each address of a name.
    const why = /resolved errors: \[(.*)\]$/.exec(text)?.[1] ?? text;
    throw new Error(`Address ${formatListenAddress(address)} cannot be listened on for ${wire}: ${why}.`, {
      cause: error,
    });
  }
}

/** Removes what a killed daemon left behind: a socket on which nobody answers. Anything else stays. */
async function removeStaleSocket(path: string): Promise<void> {
  // A connection to a plain file is refused too, so the kind is looked at first.
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
