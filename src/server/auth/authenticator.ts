/** Identifies callers by token or client certificate, in the same way for both wires. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { PeerCertificate } from "node:tls";
import type { Role } from "../config/role.ts";
import { TOKEN_LENGTH_MAX } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";
import type { Token, TokenTable } from "./token-file.ts";

/** The credentials of a call. */
export interface Credentials {
  /** The Authorization header, or the metadata of that name, unchanged. */
  readonly authorization: string | undefined;
  /** The client's certificate, if TLS verified one. Asked for only when it matters, because it is slow. */
  certificate(): PeerCertificate | undefined;
  /** Address of the other end without its port; `unix` for a unix socket. */
  readonly peer: string;
}

/** The maker of a call. */
export interface Caller {
  /** Name of the token, common name of the certificate, or address of the other end. */
  readonly name: string;
  readonly role: Role;
  readonly by: "token" | "certificate" | "address";
}

/** An identity that no two callers share; undefined if callers are not told apart. */
export function identityOf({ by, name }: Caller): string | undefined {
  return by === "address" ? undefined : `${by} ${name}`;
}

export interface AuthenticatorOptions {
  /**
   * The current contents of the tokens file; undefined without one. Asked for at each call, because the file
   * may change.
   */
  readonly table?: () => TokenTable;
  /** Whether clients need a certificate. @default false */
  readonly certificates?: boolean;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

export class Authenticator {
  readonly #table: (() => TokenTable) | undefined;
  readonly #certificates: boolean;
  readonly #now: () => number;

  constructor({ table, certificates = false, now = Date.now }: AuthenticatorOptions = {}) {
    this.#table = table;
    this.#certificates = certificates;
    this.#now = now;
  }

  /** False if everyone who reaches the daemon may do everything. */
  get required(): boolean {
    return this.#table !== undefined || this.#certificates;
  }

  /**
   * If certificates are required, a token alone is not enough. With both, the token decides who calls, and a
   * certificate does not make up for a wrong token.
   * @throws WireError UNAUTHENTICATED
   */
  authenticate({ authorization, certificate, peer }: Credentials): Caller {
    if (!this.required) return { name: peer, role: "admin", by: "address" };
    const verified = this.#certificates ? certificate() : undefined;
    if (this.#certificates && verified === undefined) {
      throw refused(
        "The call comes without a client certificate that is valid and signed by the daemon's client CA.",
      );
    }
    if (authorization !== undefined && this.#table !== undefined) {
      return this.#byToken(this.#table().tokens, authorization);
    }
    if (verified !== undefined) return this.#byCertificate(verified);
    throw refused("The call has no credentials: send a token as `Authorization: Bearer TOKEN`.");
  }

  #byToken(tokens: readonly Token[], authorization: string): Caller {
    const [, text = ""] = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization) ?? [];
    if (text === "" || text.length > TOKEN_LENGTH_MAX) {
      throw refused("The Authorization of the call is not of the form `Bearer TOKEN`.");
    }
    const digest = createHash("sha256").update(text).digest();
    // Compares all of them, so that the time does not reveal the position of a hash.
    let found: Token | undefined;
    for (const token of tokens) if (timingSafeEqual(token.digest, digest)) found = token;
    if (found === undefined) throw refused("The token of the call is not known.");
    const { name, role, expiresMs } = found;
    if (expiresMs !== undefined && expiresMs <= this.#now()) {
      throw refused(`Token ${name} expired at ${new Date(expiresMs).toISOString()}.`);
    }
    return { name, role, by: "token" };
  }

  #byCertificate(certificate: PeerCertificate): Caller {
    // The type says text, but a subject with several common names has a list.
    const name: unknown = certificate.subject?.CN;
    if (typeof name !== "string" || name === "") {
      throw refused("The client's certificate does not have exactly one common name in its subject.");
    }
    const clients = this.#table?.().clients;
    if (clients === undefined) return { name, role: "admin", by: "certificate" };
    const role = clients.get(name);
    if (role === undefined) throw refused(`The tokens file gives no role to the client certificate ${name}.`);
    return { name, role, by: "certificate" };
  }
}

function refused(sentence: string): WireError {
  return new WireError("UNAUTHENTICATED", sentence);
}
