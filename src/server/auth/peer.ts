/** What a socket reveals about its other end. */
import type { Socket } from "node:net";
import { type PeerCertificate, TLSSocket } from "node:tls";

/** An address without its port, with IPv4 in its own form; `unix` if there is none. */
export function peerAddress(remoteAddress: string | undefined): string {
  return remoteAddress?.replace(/^::ffff:/, "") ?? "unix";
}

/**
 * The client's certificate, if TLS verified it. A resumed session counts as authorized even if no certificate
 * ever came, so this also checks that there is one.
 */
export function verifiedCertificate(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  return certificate.raw === undefined ? undefined : certificate;
}
