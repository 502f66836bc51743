/**
 * Takes each gRPC call to the gate as soon as its metadata has arrived, before any message is read. Puts the
 * request id into the trailers.
 */
import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { peerAddress } from "../auth/peer.ts";
import type { Admission } from "../gate/admission.ts";
import type { Connections } from "../gate/connections.ts";
import type { Gate } from "../gate/gate.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../gate/request-id.ts";
import type { StrangerLog } from "../gate/stranger-log.ts";
import { toFailure, WireError } from "../messages/wire-error.ts";
import type { ArrivedCall } from "./arrived-call.ts";
import { ADMISSION, type AdmittedMetadata } from "./call-admission.ts";
import { toStatus } from "./status.ts";

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];
type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

export interface AdmitOptions {
  readonly gate: Gate;
  readonly connections: Connections;
  readonly strangerLog: StrangerLog;
  /** How long the one request of a call may take to arrive. Unit: milliseconds. */
  readonly arrivalMs: number;
}

/**
 * Takes a call to the gate. @param arrived the facts about its stream @param call the library's side of it
 */
export function admitCall(
  options: AdmitOptions,
  definition: Parameters<ServerInterceptor>[0],
  { arrived, call }: ArrivedThrough,
): ServerInterceptingCall {
  return new AdmittedCall(call, { ...options, arrived, isEndless: definition.requestStream });
}

export interface ArrivedThrough {
  readonly arrived: ArrivedCall;
  readonly call: ServerInterceptingCallInterface;
}

interface AdmittedCallOptions extends AdmitOptions {
  readonly arrived: ArrivedCall;
  /** Whether the client sends a stream of requests. */
  readonly isEndless: boolean;
}

/**
 * A call on its way to its handler, which sees it through this object. The library's own helpers make about
 * twenty objects and functions for each call, so this forwards everything by hand.
 */
class AdmittedCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: AdmittedCallOptions;
  #listener: Listener | undefined;
  #metadata: AdmittedMetadata | undefined;
  #requestId = "";
  #admission: Admission | undefined;
  /** The call was refused or its client has left, so the handler gets nothing more. */
  #isOver = false;
  #arrival: NodeJS.Timeout | undefined;

  constructor(call: ServerInterceptingCallInterface, options: AdmittedCallOptions) {
    super(call);
    this.#call = call;
    this.#options = options;
  }

  override start(listener: Listener): void {
    this.#listener = listener;
    this.#call.start(this);
  }

  onReceiveMetadata(metadata: AdmittedMetadata): void {
    this.#requestId = requestIdOf(metadata.get(REQUEST_ID_HEADER)[0]);
    try {
      this.#admission = this.#admit(metadata);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    metadata[ADMISSION] = this.#admission;
    this.#metadata = metadata;
    const { arrivalMs, isEndless } = this.#options;
    // A client that never sends its request would hold a place for a call.
    if (!isEndless) {
      this.#arrival = setTimeout(() => this.#refuse(tooSlow(arrivalMs)), arrivalMs).unref();
    }
    this.#listener?.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    if (!this.#isOver) this.#listener?.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    clearTimeout(this.#arrival);
    if (!this.#isOver) this.#listener?.onReceiveHalfClose();
  }

  /** The library calls this at every end. */
  onCancel(): void {
    this.#isOver = true;
    clearTimeout(this.#arrival);
    const { arrived } = this.#options;
    // Before a status was sent, the caller saw only its own end of the call.
    this.#admission?.close(arrived.seen);
    arrived.refuse = undefined;
    this.#listener?.onCancel();
    // An HTTP/2 stream and everything attached to it stay until a full collection of garbage. Release the
    // handler's side now.
    this.#listener = undefined;
    this.#admission = undefined;
    this.#arrival = undefined;
    if (this.#metadata !== undefined) this.#metadata[ADMISSION] = undefined;
  }

  override sendStatus(status: Status): void {
    // This metadata object was made for this status alone.
    const metadata = status.metadata ?? new Metadata();
    metadata.set(REQUEST_ID_HEADER, this.#requestId);
    this.#call.sendStatus({ ...status, metadata });
  }

  #admit(metadata: Metadata): Admission | undefined {
    const { gate, connections, arrived } = this.#options;
    const authorization = metadata.get("authorization").join(", ");
    const end = this.#call.getConnectionInfo();
    const admission = gate.admit({
      rpc: arrived.path.slice(1),
      requestId: this.#requestId,
      credentials: {
        authorization: authorization === "" ? undefined : authorization,
        certificate: () => this.#call.getAuthContext().sslPeerCertificate,
        peer: peerAddress(end.remoteAddress),
      },
    });
    if (admission !== undefined && connections.know(end)) arrived.widen();
    return admission;
  }

  #refuse(error: unknown): void {
    this.#isOver = true;
    const { arrived, strangerLog } = this.#options;
    const failure = toFailure(error);
    const { reason, message } = failure;
    this.#admission?.failed(failure);
    strangerLog.write("debug", { path: arrived.path, reason, requestId: this.#requestId }, message);
    this.sendStatus(toStatus(failure));
    arrived.discard();
  }

  override sendMetadata(metadata: Metadata): void {
    // The library would offer encodings that the daemon refuses.
    metadata.set("grpc-accept-encoding", "identity");
    this.#call.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#call.sendMessage(message, callback);
  }
}

function tooSlow(arrivalMs: number): WireError {
  return new WireError(
    "DEADLINE_EXCEEDED",
    `The request did not arrive whole within ${arrivalMs / 1000} s.`,
    { arrivalMs: String(arrivalMs) },
  );
}
