/** Encrypted connections: certificates, and the name that the daemon's certificate must have. */
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { type ChannelCredentials, type ChannelOptions, credentials, type VerifyOptions } from "@grpc/grpc-js";
import { TorporError } from "./torpor-error.ts";

/** Certificates and keys are PEM, as text or bytes. */
export interface TlsOptions {
  /** Authorities that may have signed the daemon's certificate. @default the authorities that Node knows */
  readonly ca?: string | Uint8Array | undefined;
  /** The client's own certificate, for daemons that ask for one. Needs `key`. */
  readonly cert?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
  /**
   * The name that the daemon's certificate must have.
   * @default the host of the address; localhost for a socket
   */
  readonly serverName?: string | undefined;
}

/** The options of a channel for TLS, or for plain text when `tls` is undefined. */
export interface TransportSecurity {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** The name that a handshake with an IP address or a socket uses, because TLS has no names for these. */
const STAND_IN = "localhost";

/**
 * @param address one that `checkAddress` has passed
 * @throws TorporError INVALID_ARGUMENT when a certificate or a key cannot be used
 */
export function transportSecurity(address: string, tls: TlsOptions | undefined): TransportSecurity {
  if (tls === undefined) return { credentials: credentials.createInsecure(), options: {} };
  const { serverName } = tls;
  const name = serverName ?? hostOf(address);
  const isAddress = isIP(name) !== 0;
  return {
    credentials: createCredentials(tls, isAddress ? name : undefined),
    options: {
      "grpc.ssl_target_name_override": isAddress ? STAND_IN : name,
      ...(serverName === undefined ? {} : { "grpc.default_authority": serverName }),
    },
  };
}

/**
 * @param ip the address that the certificate must be for, where the library would give TLS an IP address as a
 * name
 */
function createCredentials(tls: TlsOptions, ip: string | undefined): ChannelCredentials {
  const [ca, key, cert] = [tls.ca, tls.key, tls.cert].map((pem) =>
    pem === undefined ? null : Buffer.from(pem),
  );
  const verify: VerifyOptions =
    ip === undefined ? {} : { checkServerIdentity: (_name, peer) => checkServerIdentity(ip, peer) };
  try {
    return credentials.createSsl(ca, key, cert, verify);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `The certificates for TLS cannot be used: ${why}.`;
    throw new TorporError({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", message }, { cause: error });
  }
}

function hostOf(address: string): string {
  if (address.startsWith("unix:")) return STAND_IN;
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}
