/** Certificate, key and client CA of the daemon, as TLS needs them. */
import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { TLS_HANDSHAKE_TIMEOUT_MS } from "../limits.ts";
import type { WatchedFiles } from "./watched-files.ts";

/** Where they are, as PEM. */
export interface TlsPaths {
  /** The daemon's certificate, and those that lead to its CA. */
  readonly certificate: string;
  readonly key: string;
  /** The CA of client certificates; undefined where clients need none. */
  readonly clientCa: string | undefined;
}

/** What a server needs to speak TLS. */
export interface ServerTls {
  readonly context: WatchedFiles<SecureContextOptions>;
  /** Whether clients are asked for a certificate. */
  readonly certificates: boolean;
}

/**
 * A client without a certificate, or with a bad one, gets as far as the gate, which lets it see health and
 * nothing else: probes have no certificates, and an error says more than a connection that breaks.
 */
export function handshakeOptions({ certificates }: ServerTls) {
  return {
    requestCert: certificates,
    rejectUnauthorized: false,
    handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
  };
}

/** Oldest version of TLS that is spoken: what came before is broken. */
const VERSION_MIN = "TLSv1.2";

/** The files to read, in the order in which `parseTlsFiles` takes their contents. */
export function tlsFiles({ certificate, key, clientCa }: TlsPaths): readonly string[] {
  return clientCa === undefined ? [certificate, key] : [certificate, key, clientCa];
}

/**
 * Makes the options of a TLS context of the contents of the files.
 * @throws Error with a whole sentence when they are no PEM, or the key is not that of the certificate.
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
