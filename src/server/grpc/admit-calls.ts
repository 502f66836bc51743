/** Takes each gRPC call to the gate as soon as its metadata are here, before a message is read; names it in its trailers. */
import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { peerAddress } from "../auth/peer.ts";
import type { Admission } from "../gate/admission.ts";
import type { Gate } from "../gate/gate.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../gate/request-id.ts";
import { toFailure, WireError } from "../messages/wire-error.ts";
import type { CallContext } from "./call.ts";
import { ADMISSION, type AdmittedMetadata } from "./call-admission.ts";
import { toStatus } from "./status.ts";

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];
type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** @param arrivalMs how long the one request of a call may take to arrive. Unit: milliseconds. */
export function admitCalls(gate: Gate, context: CallContext, arrivalMs: number): ServerInterceptor {
  const bounded = { gate, context, arrivalMs };
  const endless = { gate, context, arrivalMs: undefined };
  return ({ path, requestStream }, call) => new AdmittedCall(call, path, requestStream ? endless : bounded);
}

interface AdmittedCallOptions {
  readonly gate: Gate;
  readonly context: CallContext;
  /** Undefined where requests go on arriving. */
  readonly arrivalMs: number | undefined;
}

/**
 * A call on its way to its handler, which hears of it through this. What the library has for such things makes some twenty
 * objects and functions for each call, so all that passes here is passed on by hand.
 */
class AdmittedCall extends ServerInterceptingCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #path: string;
  readonly #options: AdmittedCallOptions;
  #listener: Listener | undefined;
  #metadata: AdmittedMetadata | undefined;
  #requestId = "";
  #admission: Admission | undefined;
  /** Refused, or its client has gone away: nothing that still comes is for the handler. */
  #isOver = false;
  #arrival: NodeJS.Timeout | undefined;

  constructor(call: ServerInterceptingCallInterface, path: string, options: AdmittedCallOptions) {
    super(call);
    this.#call = call;
    this.#path = path;
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
    const { arrivalMs } = this.#options;
    // Whoever never sends it would keep the place of a call.
    if (arrivalMs !== undefined) {
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
    this.#admission?.close();
    this.#listener?.onCancel();
    // A stream of HTTP/2 and what hangs on it stay until all memory is looked through: the handler's side is not to.
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
    const { gate } = this.#options;
    const authorization = metadata.get("authorization").join(", ");
    return gate.admit({
      rpc: this.#path.slice(1),
      requestId: this.#requestId,
      credentials: {
        authorization: authorization === "" ? undefined : authorization,
        certificate: () => this.#call.getAuthContext().sslPeerCertificate,
        peer: peerAddress(this.#call.getConnectionInfo().remoteAddress),
      },
    });
  }

  #refuse(error: unknown): void {
    this.#isOver = true;
    const { context } = this.#options;
    const path = this.#path;
    const failure = toFailure(error);
    this.#admission?.failed(failure);
    const [, service = "", method = ""] = path.split("/");
    context.observer?.onCallEnd?.({ service, method, code: failure.status, seconds: 0 });
    context.logger.debug({ path, reason: failure.reason, requestId: this.#requestId }, failure.message);
    this.sendStatus(toStatus(failure));
  }

  override sendMetadata(metadata: Metadata): void {
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
