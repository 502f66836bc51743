/** Makes a token: the secret for its owner, and the item for the tokens file. */
import { createHash, randomBytes } from "node:crypto";
import type { Role } from "../config/role.ts";
import { TOKEN_BYTES } from "../limits.ts";

export interface NewToken {
  /**
   * To be given to its owner; it is kept nowhere. The prefix lets scanners for secrets find it in the wrong
   * place.
   */
  readonly token: string;
  /** A line for the list `tokens` of the file. */
  readonly line: string;
}

/**
 * A plain SHA-256 is enough to keep: a slow hash protects words that people choose, and nobody can try 2^256
 * tokens. It must be fast, because it is made for each call.
 */
export function newToken(name: string, role: Role): NewToken {
  const token = `torpor_${randomBytes(TOKEN_BYTES).toString("base64url")}`;
  const sha256 = createHash("sha256").update(token).digest("hex");
  return { token, line: `  - { name: ${JSON.stringify(name)}, role: ${role}, sha256: "${sha256}" }` };
}
