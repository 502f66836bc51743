/** Makes a token: the secret for its owner, and the entry for the tokens file. */
import { createHash, randomBytes } from "node:crypto";
import type { Role } from "../config/role.ts";
import { TOKEN_BYTES } from "../limits.ts";

export interface NewToken {
  /** For the owner; it is stored nowhere. The prefix lets secret scanners find it where it should not be. */
  readonly token: string;
  /** A line for the list `tokens` in the file. */
  readonly line: string;
}

/**
 * A plain SHA-256 is enough. Slow hashes protect words that people choose, but nobody can try 2^256 tokens.
 * It must be fast, because every call computes it.
 */
export function newToken(name: string, role: Role): NewToken {
  const token = `torpor_${randomBytes(TOKEN_BYTES).toString("base64url")}`;
  const sha256 = createHash("sha256").update(token).digest("hex");
  return { token, line: `  - { name: ${JSON.stringify(name)}, role: ${role}, sha256: "${sha256}" }` };
}
