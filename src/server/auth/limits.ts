/** Every limit of who may come in, with its unit and its reason. */

/** Tokens in a tokens file: each token that comes in is compared with all of them. */
export const TOKENS_MAX = 1024;

/** Client certificates that a tokens file gives a role. */
export const CLIENTS_MAX = 4096;

/** Longest name of a token or of a certificate's subject: it stands in each line of the audit log. Unit: characters. */
export const NAME_LENGTH_MAX = 128;

/** Longest token that is looked at: ours have 50 characters, and those of others are hashes too. Unit: characters. */
export const TOKEN_LENGTH_MAX = 512;

/** Random bytes of a token that we make: nobody guesses 256 bits. Unit: bytes. */
export const TOKEN_BYTES = 32;

/** Largest file with tokens, a certificate or a key: above any real one, so that a wrong path is seen. Unit: bytes. */
export const SECRET_FILE_BYTES_MAX = 1024 * 1024;

/** How often these files are looked at for changes: a token that is withdrawn is refused this soon. Unit: milliseconds. */
export const SECRET_FILE_POLL_MS = 2_000;

/** How long a client may take to agree on TLS, when nobody knows yet who it is. Unit: milliseconds. */
export const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
