/** Takes each request to the gate before its body is read. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { HAND_WRITTEN } from "../../contract/hand-written.ts";
import { readBindings } from "../../contract/http-bindings.ts";
import { REGISTRY } from "../../contract/registry.ts";
import { fastifyPath } from "../../contract/route-path.ts";
import type { Credentials } from "../auth/authenticator.ts";
import { peerAddress, verifiedCertificate } from "../auth/peer.ts";
import type { Admission } from "../gate/admission.ts";
import type { Connections } from "../gate/connections.ts";
import type { Gate } from "../gate/gate.ts";
import type { RequestCheck } from "./check-requests.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answers any caller: for health, which machines without credentials check. */
    readonly anyCaller?: boolean;
  }
  interface FastifyRequest {
    /** The place of the request among the calls in progress; undefined if it is not an RPC. */
    admission: Admission | undefined;
  }
}

/**
 * Anything that is not an RPC needs the role of a viewer, including unknown paths, so a forgotten route is
 * not open.
 */
export function guardCalls(app: FastifyInstance, gate: Gate, connections: Connections): RequestCheck {
  app.decorateRequest("admission", undefined);
  return (request, { raw: response }, { url = "", config }) => {
    if (config.anyCaller === true) return;
    const credentials = credentialsOf(request);
    const { socket } = request.raw;
    const rpc = RPCS.get(request.method)?.get(url);
    if (rpc === undefined) {
      gate.admitReader(credentials);
      connections.know(socket);
      return;
    }
    const admission = gate.admit({ rpc, requestId: request.id, credentials });
    if (admission === undefined) return;
    connections.know(socket);
    request.admission = admission;
    // The transcoder learns more from the message. For content routes the path is all there is.
    if (admission.isAudited) {
      admission.concerns(request.url.replace(/^\/v1\/|(?:\/content|:\w+)?(?:\?.*)?$/g, ""));
    }
    response.on("close", () => {
      if (response.writableFinished) {
        admission.succeeded();
        admission.close();
      } else admission.close({ code: "CANCELLED", reason: undefined });
    });
  };
}

/**
 * Records in the audit log what `check` refuses, if the call would have changed something. This is for checks
 * that run before the gate.
 */
export function auditRefusals(gate: Gate, check: RequestCheck): RequestCheck {
  return (request, reply, route) => {
    try {
      return check(request, reply, route);
    } catch (error) {
      const rpc = RPCS.get(request.method)?.get(route.url ?? "");
      const { id: requestId, raw } = request;
      if (rpc !== undefined) {
        gate.refused({ rpc, requestId, peer: peerAddress(raw.socket.remoteAddress) }, error);
      }
      throw error;
    }
  };
}

const RPCS = rpcsByRoute();

/** Every route of an RPC by method, then by path as fastify knows it. */
function rpcsByRoute(): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const rpcs = new Map<string, Map<string, string>>();
  function add(method: string, path: string, rpc: string): void {
    rpcs.set(method, (rpcs.get(method) ?? new Map()).set(path, rpc));
  }
  for (const binding of readBindings(REGISTRY)) add(binding.httpMethod, fastifyPath(binding), binding.rpc);
  for (const { rpc, method, path } of HAND_WRITTEN) add(method, path, rpc);
  // HEAD is a GET that keeps the body to itself.
  rpcs.set("HEAD", rpcs.get("GET") ?? new Map());
  return rpcs;
}

function credentialsOf({ headers, raw }: FastifyRequest): Credentials {
  return {
    authorization: headers.authorization,
    certificate: () => verifiedCertificate(raw.socket),
    peer: peerAddress(raw.socket.remoteAddress),
  };
}
