/**
 * Takes each gRPC call to the gate as soon as its metadata are here, before a message is read; names it in
 * its trailers.
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
 * Takes a call to the gate. @param arrived what is known of its stream @param call the library's side of it
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
  /** Whether requests go on arriving. */
  readonly isEndless: boolean;
}

/**
 * A call on its way to its handler, which hears of it through this. What the library has for such things
 * makes some twenty objects and functions for each call, so all that passes here is passed on by hand.
 */
class AdmittedCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: AdmittedCallOptions;
  #listener: Listener | undefined;
  #metadata: AdmittedMetadata | undefined;
  #requestId = "";
  #admission: Admission | undefined;
  /** Refused, or its client has gone away: nothing that still comes is for the handler. */
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
    // Whoever never sends it would keep the place of a call.
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

  /** The library calls it at every end. */
  onCancel(): void {
    this.#isOver = true;
    clearTimeout(this.#arrival);
    const { arrived } = this.#options;
    // Before the status is sent there is nothing that the caller saw but its own end of the call.
    this.#admission?.close(arrived.seen);
    arrived.refuse = undefined;
    this.#listener?.onCancel();
    // A stream of HTTP/2 and what hangs on it stay until all memory is looked through: the handler's side is
    // not to.
    this.#listener = undefined;
    this.#admission = undefined;
    this.#arrival = undefined;
    if (this.#metadata !== undefined) this.#metadata[ADMISSION] = undefined;
  }

  override sendStatus(status: Status): void {
    // What is there was made for this status alone.
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
    // The library would offer what is refused here.
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
