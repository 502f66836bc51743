/** The daemon's certificate, key and client CA, in the form that TLS needs. */
import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { TLS_HANDSHAKE_TIMEOUT_MS } from "../limits.ts";
import type { WatchedFiles } from "./watched-files.ts";

/** The paths of the PEM files. */
export interface TlsPaths {
  /** The daemon's certificate, followed by those that lead to its CA. */
  readonly certificate: string;
  readonly key: string;
  /** The CA of client certificates; undefined if clients need none. */
  readonly clientCa: string | undefined;
}

/** What a server needs for TLS. */
export interface ServerTls {
  readonly context: WatchedFiles<SecureContextOptions>;
  /** Whether clients are asked for a certificate. */
  readonly certificates: boolean;
}

/**
 * A client without a valid certificate still reaches the gate, which shows it nothing but health: probes have
 * no certificates, and an error explains more than a broken connection.
 */
export function handshakeOptions({ certificates }: ServerTls) {
  return {
    requestCert: certificates,
    rejectUnauthorized: false,
    handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
  };
}

/** The oldest accepted version of TLS. Earlier ones are broken. */
const VERSION_MIN = "TLSv1.2";

/** The files to read, in the order in which `parseTlsFiles` takes their contents. */
export function tlsFiles({ certificate, key, clientCa }: TlsPaths): readonly string[] {
  return clientCa === undefined ? [certificate, key] : [certificate, key, clientCa];
}

/**
 * Makes the options of a TLS context from the contents of the files.
 * @throws Error with a whole sentence if they are not PEM, or the key does not belong to the certificate.
 */
export function parseTlsFiles(paths: TlsPaths, contents: readonly Buffer[]): SecureContextOptions {
  const [cert, key, ca] = contents;
  const options: SecureContextOptions = {
    cert,
    key,
    minVersion: VERSION_MIN,
    ...(ca === undefined ? {} : { ca }),
  };
  try {
    for (const pem of [cert, ca]) if (pem !== undefined) new X509Certificate(pem);
    createSecureContext(options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`The certificate in ${tlsFiles(paths).join(", ")} cannot be used: ${why}.`, {
      cause: error,
    });
  }
  return options;
}
