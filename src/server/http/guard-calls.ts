/** Takes each request to the gate before its body is read, and gives it the id under which the log knows it. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Credentials } from "../auth/authenticator.ts";
import { peerAddress, verifiedCertificate } from "../auth/peer.ts";
import { REGISTRY } from "../descriptors.ts";
import type { Admission } from "../gate/admission.ts";
import type { Gate } from "../gate/gate.ts";
import { REQUEST_ID_HEADER } from "../gate/request-id.ts";
import { readBindings } from "./bindings.ts";
import { HAND_WRITTEN } from "./hand-written.ts";
import { fastifyPath } from "./route-path.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answers whoever asks: for health, which machines without credentials look at. */
    readonly anyCaller?: boolean;
  }
  interface FastifyRequest {
    /** The request's place among the calls in progress; undefined for what is no RPC. */
    admission: Admission | undefined;
  }
}

/** Gives every answer the id of its request. Must come before every hook that can refuse. */
export function nameRequests(app: FastifyInstance): void {
  app.addHook("onRequest", async (request, reply) => {
    void reply.header(REQUEST_ID_HEADER, request.id);
  });
}

/** What is no RPC needs the role of a viewer, unknown paths included: so a route that is forgotten is not open. */
export function guardCalls(app: FastifyInstance, gate: Gate): void {
  const rpcs = rpcsByRoute();
  app.decorateRequest("admission", undefined);
  app.addHook("onRequest", async (request, reply) => {
    const { url = "", config } = request.routeOptions;
    if (config.anyCaller === true) return;
    const credentials = credentialsOf(request);
    const rpc = rpcs.get(routeKey(request.method, url));
    if (rpc === undefined) {
      gate.admitReader(credentials);
      return;
    }
    const admission = gate.admit({ rpc, requestId: request.id, credentials });
    if (admission === undefined) return;
    request.admission = admission;
    // The transcoder learns more from the message; content routes have nothing but their path.
    admission.concerns(request.url.replace(/^\/v1\/|(?:\/content|:\w+)?(?:\?.*)?$/g, ""));
    reply.raw.once("close", () => {
      if (reply.raw.writableFinished) admission.succeeded();
      admission.close();
    });
  });
}

/** Every route of an RPC, as fastify knows it. */
function rpcsByRoute(): ReadonlyMap<string, string> {
  const rpcs = new Map<string, string>();
  for (const binding of readBindings(REGISTRY)) {
    rpcs.set(routeKey(binding.httpMethod, fastifyPath(binding)), binding.rpc);
  }
  for (const { rpc, method, path } of HAND_WRITTEN) rpcs.set(routeKey(method, path), rpc);
  return rpcs;
}

/** HEAD is a GET that keeps the body to itself. */
function routeKey(method: string, url: string): string {
  return `${method === "HEAD" ? "GET" : method} ${url}`;
}

function credentialsOf({ headers, raw }: FastifyRequest): Credentials {
  return {
    authorization: headers.authorization,
    certificate: () => verifiedCertificate(raw.socket),
    peer: peerAddress(raw.socket.remoteAddress),
  };
}
