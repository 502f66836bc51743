/** The HTTPS server under fastify, whose certificate can change while it runs. */
import type { RequestListener, Server } from "node:http";
import { createServer } from "node:https";
import { handshakeOptions, type ServerTls } from "../machine/tls-material.ts";
import { HOST_IS_CHECKED } from "./origin-guard.ts";

/** Open connections keep the certificate with which they began. */
export function tlsServer(tls: ServerTls, handler: RequestListener): Server {
  const { context } = tls;
  const handshake = { ...context.value, ...handshakeOptions(tls), ALPNProtocols: ["http/1.1"] };
  const options = { ...handshake, ...HOST_IS_CHECKED };
  const server = createServer(options, handler);
  context.onChange((changed) => server.setSecureContext(changed));
  return server;
}
