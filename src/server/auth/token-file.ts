/**
 * The tokens file: who may call, and with which role. It is YAML, which includes JSON, and holds tokens as
 * hashes.
 */
import { isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { ROLES, type Role } from "../config/role.ts";
import { CLIENTS_MAX, NAME_LENGTH_MAX, TOKENS_MAX } from "../limits.ts";

export interface Token {
  /** The owner of the token, for the audit log. */
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token as clients send it. */
  readonly digest: Buffer;
  /** When the token expires, in milliseconds since 1970; undefined if never. */
  readonly expiresMs: number | undefined;
}

/** The contents of a tokens file. */
export interface TokenTable {
  readonly tokens: readonly Token[];
  /**
   * Roles of client certificates by the common name of their subject; undefined if the file has no such list.
   */
  readonly clients: ReadonlyMap<string, Role> | undefined;
}

/** The file cannot be used. The message is a whole sentence with line and column. */
export class TokenFileError extends Error {
  override readonly name = "TokenFileError";
}

const ROLE = z.enum(ROLES, { error: `is not one of ${ROLES.join(", ")}.` });
const NAME = z
  .string({ error: "is not a name." })
  .min(1, { error: "is empty." })
  .max(NAME_LENGTH_MAX, { error: `is longer than ${NAME_LENGTH_MAX} characters.` });
const DIGEST = z
  .string({ error: "is not text; put it in quotes." })
  .regex(/^[0-9a-fA-F]{64}$/, { error: "is not a SHA-256 in hexadecimal, which has 64 digits." });
const TIME = z
  .string({ error: "is not a time, such as 2030-01-31T12:00:00Z." })
  .refine((text) => parseTime(text) !== undefined, {
    error: "is not a time of RFC 3339, such as 2030-01-31T12:00:00Z.",
  });

const FILE = z.strictObject(
  {
    tokens: z
      .array(z.strictObject({ name: NAME, role: ROLE, sha256: DIGEST, expires: TIME.optional() }), {
        error: "is not a list.",
      })
      .max(TOKENS_MAX, { error: `has more than ${TOKENS_MAX} items.` })
      .superRefine((tokens, context) => {
        refuseTwice(
          context,
          "name",
          tokens.map(({ name }) => name),
        );
        refuseTwice(
          context,
          "sha256",
          tokens.map(({ sha256 }) => sha256.toLowerCase()),
        );
      })
      .default([]),
    clients: z
      .array(z.strictObject({ commonName: NAME, role: ROLE }), { error: "is not a list." })
      .max(CLIENTS_MAX, { error: `has more than ${CLIENTS_MAX} items.` })
      .superRefine((clients, context) =>
        refuseTwice(
          context,
          "commonName",
          clients.map(({ commonName }) => commonName),
        ),
      )
      .optional(),
  },
  { error: "is not a map with the lists tokens and clients." },
);

/**
 * Reads the text of a tokens file.
 * @param file its name as the user wrote it, for messages.
 * @throws TokenFileError
 */
export function readTokenText(file: string, text: string): TokenTable {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fail = (offset: number, problem: string) => {
    const { line, col } = lines.linePos(offset);
    return new TokenFileError(`${file}:${line}:${col}: ${problem}`);
  };
  const [syntax] = document.errors;
  if (syntax !== undefined) throw fail(syntax.pos[0], `${syntax.message.replace(/\.?$/, "")}.`);
  // An empty file was probably read while somebody was writing it. To let nobody in, write an empty list.
  if (document.contents === null) throw fail(0, "The file is empty; write `tokens: []` to let nobody in.");
  const result = FILE.safeParse(document.toJS());
  if (!result.success) {
    const [issue] = result.error.issues;
    const { path = [], message = "" } = issue ?? {};
    const node = placeOf(document, path);
    const what = issue?.code === "unrecognized_keys" ? `has no key ${issue.keys.join(", ")}.` : message;
    throw fail(isNode(node) ? (node.range?.[0] ?? 0) : 0, `${nameOf(path)} ${what}`);
  }
  const { tokens, clients } = result.data;
  return {
    tokens: tokens.map(({ name, role, sha256, expires }) => ({
      name,
      role,
      digest: Buffer.from(sha256, "hex"),
      expiresMs: expires === undefined ? undefined : parseTime(expires),
    })),
    clients: clients && new Map(clients.map(({ commonName, role }) => [commonName, role])),
  };
}

function refuseTwice(context: z.RefinementCtx, key: string, values: readonly string[]): void {
  const index = values.findIndex((value, at) => values.indexOf(value) < at);
  if (index !== -1) context.addIssue({ code: "custom", path: [index, key], message: "is there twice." });
}

/** The node at `path`, or its nearest ancestor, because a missing node has no position. */
function placeOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): unknown {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node)) return node;
  }
  return document.contents;
}

/** `tokens[2].role`, or "The file". */
function nameOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "The file";
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .slice(1);
}

/** An RFC 3339 time with a zone, as milliseconds since 1970. */
function parseTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const timeMs = Date.parse(text.toUpperCase());
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
