/**
 * The bodies of requests, as their headers describe them. The content type is ignored: `curl -d` says form
 * data but sends JSON, and content is bytes whatever its type.
 */
import { isUtf8 } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance } from "fastify";
import { HTTP_BODY_BYTES_MAX } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";
import { readsBody } from "./bound-arrival.ts";
import { findRepeatedKey } from "./repeated-key.ts";

/** Makes all routes of this scope read their bodies as JSON. An empty or blank body counts as none. */
export function readBodiesAsJson(app: FastifyInstance): void {
  ignoreTypes(app);
  const options = { parseAs: "buffer", bodyLimit: HTTP_BODY_BYTES_MAX } as const;
  app.addContentTypeParser<Buffer>("*", options, ({ headers }, bytes, done) => {
    try {
      done(null, parseJson(bytes, headers));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

/** Leaves all bodies of this scope to their handlers, as streams. */
export function leaveBodies(app: FastifyInstance): void {
  ignoreTypes(app);
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
}

/**
 * @throws WireError INVALID_REQUEST if the body is encoded (such as compressed), so that its bytes are not
 * the content
 */
export function requirePlain({ "content-encoding": encoding = "" }: IncomingHttpHeaders): void {
  if (encoding === "" || encoding.toLowerCase() === "identity") return;
  throw new WireError(
    "INVALID_REQUEST",
    `Content encoding "${encoding}" is not known: send the bytes as they are.`,
    { contentEncoding: encoding },
  ).withHttpStatus(415);
}

/** Fastify would refuse a malformed type such as "json". Must be called before routes are added. */
function ignoreTypes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addHook("onRoute", (route) => {
    if (!readsBody(route.method)) return;
    route.preParsing = [route.preParsing ?? []].flat();
    route.preParsing.push(({ raw }, _reply, _payload, done) => {
      delete raw.headers["content-type"];
      done();
    });
  });
}

function parseJson(bytes: Buffer, headers: IncomingHttpHeaders): unknown {
  if (bytes.byteLength === 0) return undefined;
  requirePlain(headers);
  if (!isUtf8(bytes)) throw new WireError("INVALID_REQUEST", "The body is not UTF-8, which JSON is.");
  // JSON has no byte order mark, but a reader may ignore one (RFC 8259, 8.1).
  const text = bytes.toString().replace(/^\uFEFF/, "");
  if (/^[ \t\r\n]*$/.test(text)) return undefined;
  const json = parse(text);
  const key = findRepeatedKey(text);
  if (key === undefined) return json;
  const sentence = `Key ${JSON.stringify(key)} is given twice in the same object.`;
  throw new WireError("INVALID_REQUEST", sentence, { key });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WireError("INVALID_REQUEST", `The body is not JSON: ${why}.`, {}).because(error);
  }
}
