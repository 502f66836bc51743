/**
 * The wires report each call to a tracer while it lasts. It is absent without tracing, and must not throw.
 */

export interface CallTracer {
  /** Begins a gRPC call of `torpor.v1` when its metadata has arrived. */
  beginRpc(call: ArrivedCall & { readonly rpc: string }): CallSpan;
  /** Begins an HTTP request to `/v1` when its head has arrived. */
  beginRequest(request: ArrivedCall & ArrivedRequest): CallSpan;
}

export interface ArrivedCall {
  readonly requestId: string;
  /** The name and port that the client asked for: Host, or :authority. */
  readonly host: string | undefined;
  /** Address of the client. */
  readonly peer: string;
  /** Headers or metadata with the context of the caller's trace. */
  readonly header: (name: string) => string | string[] | undefined;
}

export interface ArrivedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The pattern that matched; undefined if none did. */
  readonly route: string | undefined;
  readonly scheme: string;
}

/** One call from here to its end. */
export interface CallSpan {
  /**
   * Runs `work` in the context of the call. A transition that it starts, however late, becomes a part of the
   * call.
   */
  run<T>(work: () => T): T;
  /** Why the call failed. Legal before its end. The first reason stays. */
  failed(failure: CallFailure): void;
  /** @param status name of the gRPC code, or the HTTP status; undefined if no answer was sent. */
  end(status: string | number | undefined): void;
}

export interface CallFailure {
  readonly reason: string;
  readonly message: string;
}
