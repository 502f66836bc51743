/**
 * What the wires tell of each call while it lasts, for traces. Absent where nobody traces; must not throw.
 */

export interface CallTracer {
  /** A call of `torpor.v1` over gRPC, as soon as its metadata are here. */
  beginRpc(call: ArrivedCall & { readonly rpc: string }): CallSpan;
  /** A request to `/v1` over HTTP, as soon as its head is here. */
  beginRequest(request: ArrivedCall & ArrivedRequest): CallSpan;
}

export interface ArrivedCall {
  readonly requestId: string;
  /** Name and port that the client asked for: Host, or :authority. */
  readonly host: string | undefined;
  /** Address of the client. */
  readonly peer: string;
  /** Headers or metadata, for the context of the caller's trace. */
  readonly header: (name: string) => string | string[] | undefined;
}

export interface ArrivedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The pattern that matched; undefined when none did. */
  readonly route: string | undefined;
  readonly scheme: string;
}

/** One call, from here to its end. */
export interface CallSpan {
  /**
   * Does `work` in the name of the call: a transition that begins meanwhile, however late, is a part of it.
   */
  run<T>(work: () => T): T;
  /** Why the call failed; before its end. What is said first stays. */
  failed(failure: CallFailure): void;
  /** @param status name of the gRPC code, or the HTTP status; undefined when no answer was sent. */
  end(status: string | number | undefined): void;
}

export interface CallFailure {
  readonly reason: string;
  readonly message: string;
}
