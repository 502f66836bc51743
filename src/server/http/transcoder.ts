/**
 * REST for every unary RPC, from the `google.api.http` annotations: it reads JSON into a message, makes the
 * same call as gRPC, and writes the answer as JSON. A new method in the proto is served without a change
 * here.
 */
import assert from "node:assert/strict";
import type { FastifyInstance } from "fastify";
import type { HttpBody } from "../../contract/gen/google/api/httpbody.ts";
import { Transition_State } from "../../contract/gen/torpor/v1/power.ts";
import { type Binding, readBindings } from "../../contract/http-bindings.ts";
import { messageJson } from "../../contract/message-json.ts";
import { REGISTRY } from "../../contract/registry.ts";
import { fastifyPath } from "../../contract/route-path.ts";
import type { UnaryRpc } from "../api/rpc.ts";
import { requireRpc } from "../auth/rpc-access.ts";
import { READ_REQUEST_BYTES_MAX } from "../limits.ts";
import { WrittenOnce } from "../messages/lasting.ts";
import { etagOf, refuseEtag } from "./preconditions.ts";
import { readBodiesAsJson } from "./request-body.ts";
import { requestReader } from "./request-message.ts";
import { HttpClient } from "./waiting-client.ts";

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
  const texts = new WrittenOnce((answer: object) => messageJson(output, answer));
  const readRequest = requestReader(binding, rpc.readRequest);
  app.route<TranscodedRequest>({
    method: binding.httpMethod,
    url: fastifyPath(binding),
    ...(requireRpc(binding.rpc).role === "viewer" ? { bodyLimit: READ_REQUEST_BYTES_MAX } : {}),
    async handler(request, reply) {
      const { params: parameters, query, body } = request;
      const headers = {
        requestId: unquoted(request.headers["idempotency-key"]),
        etag: etagOf(request.headers),
      };
      if (ignoresEtag) refuseEtag(request.headers, binding.method.name);
      const message = readRequest({ parameters, query, body, headers });
      const { admission } = request;
      const client = new HttpClient(reply.raw, admission?.identity);
      const call = () => rpc.call(message, client);
      const answer = await (admission?.run(message, call) ?? call());
      if (isHttpBody(answer)) return reply.type(answer.contentType).send(answer.data);
      const etag = etagIn(answer);
      const location = runningTransition(binding, answer);
      if (etag !== undefined) void reply.header("etag", etag);
      if (location !== undefined) void reply.code(202).header("location", location);
      // Not the reply itself: it is a promise of its own end, and fastify would wait for it first.
      void reply.type(JSON_TYPE);
      return texts.of(answer);
    },
  });
}

/**
 * An HttpBody is sent as it is, because its data is the body and not a message (google/api/httpbody.proto).
 */
function isHttpBody(answer: object): answer is HttpBody {
  return "contentType" in answer && "data" in answer;
}

/** The Idempotency-Key of the IETF draft is a string in quotes; most clients leave them out. */
function unquoted(header: string | string[] | undefined): string | undefined {
  return header === undefined ? undefined : String(header).replace(/^"(.*)"$/, "$1");
}

/** The ETag header of a resource; undefined for answers without an etag. */
function etagIn(answer: object): string | undefined {
  return "etag" in answer && typeof answer.etag === "string" && answer.etag !== "" ? answer.etag : undefined;
}

/** Where to find a transition that a POST left running; undefined for every other answer. */
function runningTransition(binding: Binding, answer: object): string | undefined {
  if (binding.httpMethod !== "POST" || binding.method.output.typeName !== "torpor.v1.Transition")
    return undefined;
  if (!("state" in answer) || !("name" in answer)) return undefined;
  const isRunning = answer.state === Transition_State.RUNNING && answer.name !== "";
  return isRunning ? `/v1/${String(answer.name)}` : undefined;
}
