/**
 * Traces each gRPC call of torpor.v1, from its metadata to its status, and runs its work in the context of
 * its span. Health and reflection are not traced. Without tracing, none of this is in the path of a call.
 */
import {
  status as codes,
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
} from "@grpc/grpc-js";
import { ErrorInfo } from "../../contract/gen/google/rpc/error_details.ts";
import { Status } from "../../contract/gen/google/rpc/status.ts";
import { peerAddress } from "../auth/peer.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../gate/request-id.ts";
import type { CallFailure, CallSpan, CallTracer } from "../tracing/call-tracer.ts";

type SentStatus = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/**
 * Traces one call to its end. @param call the library's own object. Statuses go directly to it and pass no
 * interceptor, so its method is replaced.
 */
export function traceCall(
  tracer: CallTracer,
  path: string,
  call: ServerInterceptingCallInterface,
): ServerInterceptingCallInterface {
  if (!path.startsWith("/torpor.v1.")) return call;
  let span: CallSpan | undefined;
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) => {
    const failure = failureOf(status);
    if (failure !== undefined) span?.failed(failure);
    span?.end(codes[status.code]);
    span = undefined;
    send(status);
  };
  return new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata(metadata, proceed) {
          const begun = tracer.beginRpc(describe(path.slice(1), call, metadata));
          span = begun;
          begun.run(() => proceed(metadata));
        },
        onReceiveHalfClose(proceed) {
          if (span === undefined) proceed();
          else span.run(proceed);
        },
        // The library calls this at every end. A span is left only if no status was sent.
        onCancel() {
          span?.failed({ reason: "CALL_CANCELLED", message: "The client has gone away." });
          span?.end("CANCELLED");
          span = undefined;
        },
      }),
  });
}

/** The facts of a call at its beginning, for a trace. */
function describe(
  rpc: string,
  call: ServerInterceptingCallInterface,
  metadata: Metadata,
): Parameters<CallTracer["beginRpc"]>[0] {
  const requestId = requestIdOf(metadata.get(REQUEST_ID_HEADER)[0]);
  // A call without an id gets it here, so that log and answer have the same one.
  metadata.set(REQUEST_ID_HEADER, requestId);
  return {
    rpc,
    requestId,
    host: call.getHost(),
    peer: peerAddress(call.getConnectionInfo().remoteAddress),
    header: (name) => metadata.get(name).map(String),
  };
}

/** The reason of a failure as the client reads it. */
function failureOf({ code, details = "", metadata }: SentStatus): CallFailure | undefined {
  if (code === codes.OK) return undefined;
  const [sent] = metadata?.get("grpc-status-details-bin") ?? [];
  const packed = sent instanceof Buffer ? Status.decode(sent).details : [];
  const info = packed.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  const reason = info === undefined ? codes[code] : ErrorInfo.decode(info.value).reason;
  return { reason: reason ?? String(code), message: details };
}
