/** One connection to a daemon: it calls any method, sets deadlines, and turns errors into TorporErrors. */
import { randomUUID } from "node:crypto";
import {
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { checkAddress, checkToken } from "./connect-check.ts";
import {
  CALL_TIMEOUT_MS,
  FLOW_CONTROL_WINDOW_BYTES,
  MESSAGE_BYTES_MAX,
  RECONNECT_DELAY_MS,
  RETRIES_MAX,
  RETRY_DELAY_MS_MAX,
} from "./limits.ts";
import type { MethodCodec } from "./methods.ts";
import { type RetryLimits, withRetries } from "./retry.ts";
import { type TlsOptions, transportSecurity } from "./tls.ts";
import { fromServiceError, type TorporError } from "./torpor-error.ts";

export interface ConnectOptions {
  /** `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. */
  readonly address: string;
  /** Sent with every call as `Authorization: Bearer`. */
  readonly token?: string | undefined;
  /** @default none: the connection is not encrypted */
  readonly tls?: TlsOptions | undefined;
  /** Time limit of a call with its retries. Unit: milliseconds. @default CALL_TIMEOUT_MS */
  readonly timeoutMs?: number | undefined;
  /** How often a call is retried when the daemon allows it. @default RETRIES_MAX */
  readonly retriesMax?: number | undefined;
  /**
   * Whether to give a request id to every call that changes something and has none. The daemon then does the
   * work only once, however often the call arrives. @default false
   */
  readonly requestIds?: boolean | undefined;
}

export interface CallOptions {
  /** Time limit of this call with its retries. Unit: milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** How often this call is retried. */
  readonly retriesMax?: number | undefined;
  /** Ends the call with CANCELLED. The daemon may still do what the call asked for. */
  readonly signal?: AbortSignal | undefined;
}

export class Channel {
  readonly #client: Client;
  readonly #options: ConnectOptions;
  /** Calls in progress. Closing the connection does not end them, and they keep the process alive. */
  readonly #calls = new Set<Call>();

  /**
   * Connects on the first call, and again after every loss of the connection.
   * @throws TorporError INVALID_ARGUMENT if the address or token is malformed
   */
  constructor(options: ConnectOptions) {
    checkAddress(options.address);
    checkToken(options.token);
    this.#options = options;
    const { address, tls } = options;
    const security = transportSecurity(address, tls);
    this.#client = new Client(address, security.credentials, {
      "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
      "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
      "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
      // A proxy from the environment is meant for the web, and would hide a daemon on loopback.
      "grpc.enable_http_proxy": 0,
      // The library's defaults are one second and two minutes. It would not try a daemon that is back in that
      // time.
      "grpc.initial_reconnect_backoff_ms": RECONNECT_DELAY_MS,
      "grpc.max_reconnect_backoff_ms": RETRY_DELAY_MS_MAX,
      ...security.options,
    });
  }

  /** Adds an id if the options ask for one and the method takes one. Retries send the same id. */
  identify(request: unknown): unknown {
    const { requestIds = false } = this.#options;
    const isWithout =
      typeof request === "object" && request !== null && "requestId" in request && request.requestId === "";
    return requestIds && isWithout ? { ...request, requestId: randomUUID() } : request;
  }

  /** @throws TorporError */
  unary<Request, Response>(
    codec: MethodCodec<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    const limits = this.retryLimits(options);
    return withRetries(() => this.#unaryOnce(codec, request, limits), limits);
  }

  /**
   * A stream to the daemon and its answer. `answer` rejects with a TorporError, so the caller must await it.
   */
  clientStream<Request, Response>(
    codec: MethodCodec<Request, Response>,
    options: CallOptions,
  ): { readonly call: ClientWritableStream<Request>; readonly answer: Promise<Response> } {
    const { path, requestSerialize, responseDeserialize } = codec;
    const { promise: answer, resolve, reject } = Promise.withResolvers<Response>();
    const call = this.#client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      this.#metadata(),
      deadlineOf(options.timeoutMs),
      (error, response) => {
        if (error === null && response !== undefined) resolve(response);
        else reject(this.#explain(error));
      },
    );
    this.#keep(call, options.signal);
    return { call, answer };
  }

  /** A stream from the daemon. Pass its errors to `toError`. */
  serverStream<Request, Response>(
    codec: MethodCodec<Request, Response>,
    request: Request,
    options: CallOptions,
  ): ClientReadableStream<Response> {
    const { path, requestSerialize, responseDeserialize } = codec;
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.#metadata(),
      deadlineOf(options.timeoutMs),
    );
    this.#keep(call, options.signal);
    return call;
  }

  /** The error that ended a stream. An error that did not come from the wire is returned unchanged. */
  toError(error: unknown): unknown {
    return isServiceError(error) ? this.#explain(error) : error;
  }

  /** The time at which a call with these options gives up, counted from now. */
  retryLimits({ timeoutMs, retriesMax, signal }: CallOptions): RetryLimits {
    const { timeoutMs: usualMs = CALL_TIMEOUT_MS, retriesMax: usually = RETRIES_MAX } = this.#options;
    return {
      retriesMax: retriesMax ?? usually,
      deadlineMs: performance.now() + (timeoutMs ?? usualMs),
      signal,
    };
  }

  /** Ends all calls in progress and the connection. */
  close(): void {
    for (const call of this.#calls) {
      // Without a listener, an error event would end the process.
      call.on("error", () => {});
      call.cancel();
    }
    this.#client.close();
  }

  /** Keeps track of the call until it ends. */
  #keep(call: Call, signal: AbortSignal | undefined): void {
    this.#calls.add(call);
    call.on("status", () => this.#calls.delete(call));
    cancelOn(signal, call);
  }

  #unaryOnce<Request, Response>(
    { path, requestSerialize, responseDeserialize }: MethodCodec<Request, Response>,
    request: Request,
    { deadlineMs, signal }: RetryLimits,
  ): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const call = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.#metadata(),
      deadlineOf(deadlineMs - performance.now()),
      (error, response) => {
        if (error === null && response !== undefined) resolve(response);
        else reject(this.#explain(error));
      },
    );
    this.#keep(call, signal);
    return promise;
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    const { token } = this.#options;
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    return metadata;
  }

  #explain(error: ServiceError | null): TorporError | Error {
    if (error === null) return new Error("A call ended without an answer and without an error.");
    return fromServiceError(error, this.#options.address);
  }
}

function deadlineOf(timeoutMs: number | undefined): { deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + Math.max(timeoutMs, 0) };
}

/** The part that all three kinds of calls share. */
interface Call {
  cancel(): void;
  on(event: "status" | "error", listener: () => void): unknown;
}

/** Cancels the call when the signal aborts. Stops listening when the call has ended. */
function cancelOn(signal: AbortSignal | undefined, call: Call): void {
  if (signal === undefined) return;
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  call.on("status", () => signal.removeEventListener("abort", cancel));
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error && "details" in error;
}
