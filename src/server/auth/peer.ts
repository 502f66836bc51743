/** What a socket says of who is at its other end. */
import type { Socket } from "node:net";
import { type PeerCertificate, TLSSocket } from "node:tls";

/** An address without its port, IPv4 in its own form; `unix` where there is none. */
export function peerAddress(remoteAddress: string | undefined): string {
  return remoteAddress?.replace(/^::ffff:/, "") ?? "unix";
}

/**
 * The certificate of the client, if TLS found it good. A session that is resumed counts as authorized even if
 * no certificate ever came, so that one must be there is checked too.
 */
export function verifiedCertificate(socket: Socket): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  return certificate.raw === undefined ? undefined : certificate;
}
