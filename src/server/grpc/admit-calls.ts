/** Takes each gRPC call to the gate as soon as its metadata are here, before a message is read; names it in its trailers. */
import { Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { peerAddress } from "../auth/peer.ts";
import { toFailure, WireError } from "../errors.ts";
import type { Admission } from "../gate/admission.ts";
import type { Gate } from "../gate/gate.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../gate/request-id.ts";
import type { CallContext } from "./call.ts";
import { toStatus } from "./status.ts";

/** Handlers see of a call neither its interceptors nor its stream, but the same metadata. */
const ADMISSIONS = new WeakMap<Metadata, Admission>();

/** The place of a call among those in progress; undefined for what is open to everybody. */
export function admissionOf(call: { readonly metadata: Metadata }): Admission | undefined {
  return ADMISSIONS.get(call.metadata);
}

/** @param arrivalMs how long the one request of a call may take to arrive. Unit: milliseconds. */
export function admitCalls(
  gate: Gate,
  { logger, observer }: CallContext,
  arrivalMs: number,
): ServerInterceptor {
  return ({ path, requestStream }, call) => {
    const rpc = path.slice(1);
    let requestId = "";
    let admission: Admission | undefined;
    let isRefused = false;
    let arrival: NodeJS.Timeout | undefined;

    function admit(metadata: Metadata): Admission | undefined {
      const authorization = metadata.get("authorization").join(", ");
      return gate.admit({
        rpc,
        requestId,
        credentials: {
          authorization: authorization === "" ? undefined : authorization,
          certificate: () => call.getAuthContext().sslPeerCertificate,
          peer: peerAddress(call.getConnectionInfo().remoteAddress),
        },
      });
    }

    function refuse(error: unknown): void {
      isRefused = true;
      const failure = toFailure(error);
      admission?.failed(failure);
      const [service = "", method = ""] = rpc.split("/");
      observer?.onCallEnd?.({ service, method, code: failure.status, seconds: 0 });
      logger.debug({ path, reason: failure.reason, requestId }, failure.message);
      const { metadata, ...status } = toStatus(failure);
      call.sendStatus({ ...status, metadata: named(metadata, requestId) });
    }

    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, proceed) {
            requestId = requestIdOf(metadata.get(REQUEST_ID_HEADER)[0]);
            try {
              admission = admit(metadata);
            } catch (error) {
              return refuse(error);
            }
            if (admission !== undefined) ADMISSIONS.set(metadata, admission);
            // Whoever never sends it would keep the place of a call.
            if (!requestStream) arrival = setTimeout(() => refuse(tooSlow(arrivalMs)), arrivalMs).unref();
            proceed(metadata);
          },
          onReceiveHalfClose(proceed) {
            clearTimeout(arrival);
            if (!isRefused) proceed();
          },
          // The library calls it at every end.
          onCancel() {
            clearTimeout(arrival);
            admission?.close();
          },
        }),
      sendStatus: (status, next) => next({ ...status, metadata: named(status.metadata, requestId) }),
    });
  };
}

function tooSlow(arrivalMs: number): WireError {
  return new WireError(
    "DEADLINE_EXCEEDED",
    `The request did not arrive whole within ${arrivalMs / 1000} s.`,
    { arrivalMs: String(arrivalMs) },
  );
}

function named(metadata: Metadata | null | undefined, requestId: string): Metadata {
  // What is there was made for this status alone.
  const answer = metadata ?? new Metadata();
  answer.set(REQUEST_ID_HEADER, requestId);
  return answer;
}
