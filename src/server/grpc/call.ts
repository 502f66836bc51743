/**
 * Wraps every gRPC handler: errors become statuses with details, and streams apply backpressure. Requests are
 * decoded here, so that their errors get details too.
 */
import { type EventEmitter, once } from "node:events";
import { setImmediate } from "node:timers/promises";
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerWritableStream,
} from "@grpc/grpc-js";
import type { FastifyBaseLogger } from "fastify";
import { decodeMessage, type UnaryRpc, type WaitingClient } from "../api/rpc.ts";
import type { Admission } from "../gate/admission.ts";
import type { WireObserver } from "../gate/observer.ts";
import type { Client } from "../messages/hold.ts";
import { toFailure } from "../messages/wire-error.ts";
import { admissionOf } from "./call-admission.ts";
import { toStatus } from "./status.ts";

export interface CallContext {
  readonly logger: FastifyBaseLogger;
  readonly observer: WireObserver | undefined;
}

/** A method whose requests or answers are a stream, as ts-proto's code defines it. */
export interface StreamingMethod<Request> {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Request;
}

export function unary(context: CallContext, rpc: UnaryRpc): handleUnaryCall<Buffer, Buffer> {
  const { path } = rpc;
  async function answerTo(bytes: Buffer, client: GrpcClient, admission: Admission | undefined) {
    const request = rpc.readRequest(bytes);
    const call = () => rpc.call(request, client);
    return rpc.writeAnswer(await (admission?.run(request, call) ?? call()));
  }
  return (call, callback) => {
    const end = begin(context, path, call);
    const admission = admissionOf(call);
    const client = new GrpcClient(call, admission?.identity);
    answerTo(call.request, client, admission).then(
      (response) => {
        client.answered();
        end();
        callback(null, response);
      },
      (error: unknown) => {
        client.answered();
        callback(end(error));
      },
    );
  };
}

export function clientStream<Request extends object>(
  context: CallContext,
  { path, requestDeserialize }: StreamingMethod<Request>,
  handler: (requests: AsyncIterable<Request>, client: Client) => Promise<Buffer>,
): handleClientStreamingCall<Buffer, Buffer> {
  return (call, callback) => {
    const end = begin(context, path, call);
    const client = new GrpcClient(call, admissionOf(call)?.identity);
    handler(messagesOf(call, requestDeserialize), client).then(
      (response) => {
        end();
        callback(null, response);
      },
      (error: unknown) => callback(end(error)),
    );
  };
}

export function serverStream<Request extends object>(
  context: CallContext,
  { path, requestDeserialize }: StreamingMethod<Request>,
  handler: (request: Request, client: Client, admission: Admission | undefined) => AsyncIterable<Buffer>,
): handleServerStreamingCall<Buffer, Buffer> {
  return (call) =>
    send(begin(context, path, call), call, () => {
      const admission = admissionOf(call);
      const request = decodeMessage(requestDeserialize, call.request);
      admission?.examine(request);
      return handler(request, new GrpcClient(call, admission?.identity), admission);
    });
}

export function duplexStream<Request extends object>(
  context: CallContext,
  { path, requestDeserialize }: StreamingMethod<Request>,
  handler: (requests: AsyncIterable<Request>) => AsyncIterable<Buffer>,
): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) =>
    send(begin(context, path, call), call, () => handler(messagesOf(call, requestDeserialize)));
}

/** A client that waits for its answer and may leave, or let its deadline pass, before it comes. */
class GrpcClient implements WaitingClient {
  readonly caller: string | undefined;
  readonly #call: EventEmitter & { readonly cancelled: boolean };
  #gone: AbortController | undefined;
  #onCancelled: (() => void) | undefined;

  /** @param caller the caller's identity; undefined if callers are not told apart */
  constructor(call: EventEmitter & { readonly cancelled: boolean }, caller: string | undefined) {
    this.#call = call;
    this.caller = caller;
  }

  get hasGone(): boolean {
    return this.#call.cancelled;
  }

  get signal(): AbortSignal {
    this.#gone ??= this.#listen();
    return this.#gone.signal;
  }

  /**
   * Call this when there is an answer. The library cancels every call at its end, and reporting that is not
   * cheap.
   */
  answered(): void {
    if (this.#onCancelled !== undefined) this.#call.off("cancelled", this.#onCancelled);
  }

  #listen(): AbortController {
    const gone = new AbortController();
    this.#onCancelled = () => gone.abort();
    this.#call.once("cancelled", this.#onCancelled);
    if (this.hasGone) gone.abort();
    return gone;
  }
}

/** How many turns of the event loop a reset may come after the end of the same stream. */
const TURNS_UNTIL_RESET = 3;

type ReadableCall = ServerReadableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;
type WritableCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/** Reads one message at a time. Ends with an error if the client leaves. */
async function* messagesOf<Request extends object>(
  call: ReadableCall,
  decode: (bytes: Buffer) => Request,
): AsyncGenerator<Request, void, undefined> {
  let isFirst = true;
  // A duplex call is still written to after its last message was read.
  for await (const bytes of call.iterator({ destroyOnReturn: false })) {
    const message = decodeMessage(decode, bytes);
    if (isFirst) admissionOf(call)?.examine(message);
    isFirst = false;
    yield message;
  }
  // A client that cancels first ends its stream, as if it had finished, and resets it in the next frame.
  for (let turn = 0; turn < TURNS_UNTIL_RESET && !call.cancelled; turn++) await setImmediate();
  if (call.cancelled) throw new Error("The client went away.");
}

/** Writes everything that `open` yields, and asks for the next message only when the client has room. */
function send(end: EndOfCall, call: WritableCall, open: () => AsyncIterable<Buffer>): void {
  writeAll(call, open).then(
    () => {
      end();
      call.end();
    },
    (error: unknown) => {
      const failure = end(error);
      // To grpc-js, an error event means "flush what was written, then send this status".
      if (!call.cancelled) call.emit("error", failure);
    },
  );
}

async function writeAll(call: WritableCall, open: () => AsyncIterable<Buffer>): Promise<void> {
  const gone = new AbortController();
  call.once("close", () => gone.abort());
  for await (const response of open()) {
    if (call.cancelled) return;
    if (!call.write(response)) await once(call, "drain", { signal: gone.signal });
  }
}

/** Call this once at the end of a call, with the error if there is one. */
type EndOfCall = (error?: unknown) => ReturnType<typeof toStatus> | null;

/** Begins a call. Call the returned function once at the end, with the error if there is one. */
function begin(
  { logger }: CallContext,
  path: string,
  call: { readonly cancelled: boolean; readonly metadata: Metadata },
): EndOfCall {
  const admission = admissionOf(call);
  return (...errors) => {
    const failure = errors.length === 0 ? undefined : toFailure(errors[0]);
    if (failure === undefined) {
      admission?.succeeded();
      return null;
    }
    admission?.failed(failure);
    const level =
      !call.cancelled && (failure.kind === "internal" || failure.kind === "data-loss") ? "error" : "debug";
    const requestId = admission?.requestId;
    logger[level]({ path, reason: failure.reason, requestId, err: errors[0] }, failure.message);
    return toStatus(failure);
  };
}
