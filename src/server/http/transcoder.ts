/**
 * REST for every unary RPC, from the `google.api.http` annotations: JSON to message, the same call that gRPC makes,
 * message to JSON. A method that is added to the proto is served without a line here.
 */
import assert from "node:assert/strict";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import type { FastifyInstance, FastifyReply } from "fastify";
import { HttpBody } from "../../contract/gen/google/api/httpbody.ts";
import { type Binding, readBindings } from "../../contract/http-bindings.ts";
import { REGISTRY } from "../../contract/registry.ts";
import { fastifyPath } from "../../contract/route-path.ts";
import type { UnaryRpc } from "../api/rpc.ts";
import { KEPT_ANSWER_BYTES_MAX } from "../limits.ts";
import { etagOf, refuseEtag } from "./preconditions.ts";
import { readBodiesAsJson } from "./request-body.ts";
import { requestEncoder } from "./request-message.ts";
import { HttpClient } from "./waiting-client.ts";

/** Answers of this type are sent as they are. */
const HTTP_BODY = "google.api.HttpBody";
const JSON_TYPE = "application/json; charset=utf-8";

interface TranscodedRequest {
  Params: Record<string, string>;
  Querystring: Record<string, unknown>;
}

/** Adds a route for each unary method of the registry. Asserts that each has an RPC. */
export function transcodedRoutes(app: FastifyInstance, rpcs: ReadonlyMap<string, UnaryRpc>): void {
  readBodiesAsJson(app);
  for (const binding of readBindings(REGISTRY)) {
    if (binding.method.methodKind !== "unary") continue;
    const rpc = rpcs.get(`/${binding.rpc}`);
    assert(rpc !== undefined, `${binding.rpc} has no handler`);
    addRoute(app, binding, rpc);
  }
}

function addRoute(app: FastifyInstance, binding: Binding, rpc: UnaryRpc): void {
  const { input, output } = binding.method;
  const ignoresEtag = binding.httpMethod !== "GET" && input.fields.every(({ name }) => name !== "etag");
  const toText = repeating((answer: Buffer) => {
    const json = toJson(output, fromBinary(output, answer), { alwaysEmitImplicit: true, registry: REGISTRY });
    return { text: JSON.stringify(json), location: runningTransition(binding, json), etag: etagIn(json) };
  });
  const encodeRequest = requestEncoder(binding);
  app.route<TranscodedRequest>({
    method: binding.httpMethod,
    url: fastifyPath(binding),
    async handler(request, reply) {
      const { params: parameters, query, body } = request;
      const headers = {
        requestId: unquoted(request.headers["idempotency-key"]),
        etag: etagOf(request.headers),
      };
      if (ignoresEtag) refuseEtag(request.headers, binding.method.name);
      const message = encodeRequest({ parameters, query, body, headers });
      const { admission } = request;
      const origin = { client: new HttpClient(reply.raw), caller: admission?.identity };
      const call = (bytes: Buffer) => rpc.call(bytes, origin);
      const answer = await (admission?.run(message, call) ?? call(message));
      if (output.typeName === HTTP_BODY) return sendHttpBody(reply, answer);
      const { text, location, etag } = toText(answer);
      if (etag !== undefined) void reply.header("etag", etag);
      if (location !== undefined) void reply.code(202).header("location", location);
      // Not the reply: it is a promise of its end, for which fastify would wait first.
      void reply.type(JSON_TYPE);
      return text;
    },
  });
}

/**
 * Clients ask for the same thing until it changes, so what was made of the last answer is kept: equal bytes make equal
 * text. Long answers are not kept.
 */
function repeating<T>(make: (answer: Buffer) => T): (answer: Buffer) => T {
  let last: { readonly answer: Buffer; readonly made: T } | undefined;
  return (answer) => {
    if (last?.answer.equals(answer) === true) return last.made;
    const made = make(answer);
    if (answer.byteLength <= KEPT_ANSWER_BYTES_MAX) last = { answer, made };
    return made;
  };
}

/** A body that is what it says, and no message (google/api/httpbody.proto). */
function sendHttpBody(reply: FastifyReply, answer: Buffer): FastifyReply {
  const { contentType, data } = HttpBody.decode(answer);
  return reply.type(contentType).send(data);
}

/** The Idempotency-Key of the IETF draft is a string in quotes; most clients leave them out. */
function unquoted(header: string | string[] | undefined): string | undefined {
  return header === undefined ? undefined : String(header).replace(/^"(.*)"$/, "$1");
}

/** What the header ETag says of a resource; undefined for what has no etag. */
function etagIn(json: unknown): string | undefined {
  if (typeof json !== "object" || json === null || !("etag" in json)) return undefined;
  return typeof json.etag === "string" && json.etag !== "" ? json.etag : undefined;
}

/** Where to look for a transition that a POST left running; undefined for every other answer. */
function runningTransition(binding: Binding, json: unknown): string | undefined {
  if (binding.httpMethod !== "POST" || binding.method.output.typeName !== "torpor.v1.Transition")
    return undefined;
  if (typeof json !== "object" || json === null || !("state" in json) || !("name" in json)) return undefined;
  return json.state === "RUNNING" && json.name !== "" ? `/v1/${String(json.name)}` : undefined;
}
