/**
 * The entry of every gRPC call, before the library does any work for it. It refuses what nobody needs and
 * what would cost too much, limits services that are open to everybody, and counts each call when its stream
 * ends.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { peerAddress } from "../auth/peer.ts";
import { type Rpc, requireRpc } from "../auth/rpc-access.ts";
import type { Connections } from "../gate/connections.ts";
import { Crowd } from "../gate/crowd.ts";
import { FairTurns } from "../gate/fair-turns.ts";
import type { TurnedAway, WireObserver } from "../gate/observer.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../gate/request-id.ts";
import type { StrangerLog } from "../gate/stranger-log.ts";
import {
  CALLS_TURN_MS,
  GRPC_METADATA_BYTES_MAX,
  HEALTH_WATCHES_MAX,
  OPEN_ARRIVAL_MS,
  OPEN_CALLS_MAX,
  OPEN_REQUEST_BYTES_MAX,
  READ_REQUEST_BYTES_MAX,
} from "../limits.ts";
import { type Failure, toFailure, WireError } from "../messages/wire-error.ts";
import { ArrivedCall } from "./arrived-call.ts";
import { dropIllegalMetadata, metadataBytes } from "./metadata-size.ts";
import { toStatus } from "./status.ts";

export interface CallDoorOptions {
  readonly connections: Connections;
  readonly strangerLog: StrangerLog;
  readonly observer: WireObserver | undefined;
}

/** The label of an unknown method in the metrics, because a stranger chose its name. */
const UNKNOWN: KnownMethod = {
  service: "unknown",
  method: "unknown",
  isOpen: false,
  isWatch: false,
  requestBytesMax: undefined,
};

interface KnownMethod {
  readonly service: string;
  readonly method: string;
  /** Whether anybody may call it. */
  readonly isOpen: boolean;
  readonly isWatch: boolean;
  /** Set if it is less than the library's limit. Unit: bytes. */
  readonly requestBytesMax: number | undefined;
}

export class CallDoor {
  /**
   * The call that is being handed to the library, for interceptors, which the library makes at that moment.
   */
  arriving: ArrivedCall | undefined;
  readonly #connections: Connections;
  readonly #strangerLog: StrangerLog;
  readonly #observer: WireObserver | undefined;
  readonly #methods = new Map<string, KnownMethod>();
  readonly #turns = new FairTurns({ turnMs: CALLS_TURN_MS });
  readonly #openCalls: Crowd;
  readonly #watches: Crowd;

  constructor({ connections, strangerLog, observer }: CallDoorOptions) {
    this.#connections = connections;
    this.#strangerLog = strangerLog;
    this.#observer = observer;
    this.#openCalls = new Crowd(OPEN_CALLS_MAX, (count) => observer?.onOpenCalls?.(count));
    this.#watches = new Crowd(HEALTH_WATCHES_MAX, (count) => observer?.onHealthWatches?.(count));
  }

  /** Registers a method. @param path `/torpor.v1.PowerService/Suspend` */
  addMethod(path: string): void {
    const [, service = "", method = ""] = path.split("/");
    const rpc = requireRpc(path.slice(1));
    const isOpen = rpc.role === undefined;
    const isWatch = isOpen && method === "Watch";
    this.#methods.set(path, { service, method, isOpen, isWatch, requestBytesMax: requestBytesMax(rpc) });
  }

  /**
   * Takes a stream, and hands it to the library or refuses it. @param pass the library's own handler of
   * streams
   */
  readonly take = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    pass: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  ): void => {
    const socket = stream.session?.socket;
    if (socket === undefined || !this.#connections.take(socket)) {
      // It is part of a flood. The counts of its connection include it.
      stream.on("error", () => undefined);
      return;
    }
    const call = new ArrivedCall(stream, headers);
    const method = this.#methods.get(call.path) ?? UNKNOWN;
    stream.once("close", () => this.#count(call, method));
    const refusal = refusalOf(method, headers);
    if (refusal !== undefined) {
      this.#refuse(stream, headers, { ...refusal, call });
      return;
    }
    dropIllegalMetadata(headers);
    this.#turns.run(stream.session ?? stream, () => {
      if (stream.closed || stream.destroyed) return;
      this.arriving = call;
      try {
        pass(stream, headers);
      } finally {
        this.arriving = undefined;
      }
      if (call.isUnwanted) call.discard();
      else this.#boundSize(call, method, stream);
      if (method.isOpen) this.#bound(call, method, stream);
    });
  };

  #count(call: ArrivedCall, { service, method }: KnownMethod): void {
    this.#observer?.onCallEnd?.({ service, method, code: call.seen.code, seconds: call.seconds });
  }

  #boundSize(call: ArrivedCall, { requestBytesMax: max }: KnownMethod, stream: ServerHttp2Stream): void {
    if (max === undefined) return;
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= max || stream.closed) return;
      this.#observer?.onTurnedAway?.("size");
      call.refuse?.(toFailure(tooLarge(max)));
      call.discard();
    });
  }

  /** A call that anybody may make. Its time to arrive and the number of such calls are bounded. */
  #bound(call: ArrivedCall, { isWatch }: KnownMethod, stream: ServerHttp2Stream): void {
    const end = (why: TurnedAway, error: WireError) => {
      if (stream.closed) return;
      this.#observer?.onTurnedAway?.(why);
      call.refuse?.(toFailure(error));
    };
    const arrival = setTimeout(() => {
      if (!stream.readableEnded) end("size", tooSlow());
    }, OPEN_ARRIVAL_MS).unref();
    stream.once("end", () => clearTimeout(arrival));
    const crowd = isWatch ? this.#watches : this.#openCalls;
    const leave = crowd.enter(stream.session ?? stream, { end: () => end("room", noRoom()) });
    stream.once("close", () => {
      clearTimeout(arrival);
      leave();
    });
  }

  #refuse(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, { why, error, call }: Refused): void {
    this.#observer?.onTurnedAway?.(why);
    const requestId = requestIdOf(headers[REQUEST_ID_HEADER]);
    const failure = toFailure(error);
    call.ended = failure;
    const peer = peerAddress(stream.session?.socket.remoteAddress);
    const { reason } = failure;
    this.#strangerLog.write("debug", { path: call.path, peer, requestId, reason }, failure.message);
    answer(stream, failure, requestId);
  }
}

interface Refusal {
  readonly why: TurnedAway;
  readonly error: WireError;
}

interface Refused extends Refusal {
  readonly call: ArrivedCall;
}

/** Why this head is refused; undefined if it is accepted. */
function refusalOf(method: KnownMethod, headers: IncomingHttpHeaders): Refusal | undefined {
  const { ":path": path = "", "content-type": type, "grpc-encoding": encoding } = headers;
  // The library answers anything that is not gRPC with an HTTP error.
  if (type?.startsWith("application/grpc") !== true) return undefined;
  const sizeBytes = metadataBytes(headers);
  if (sizeBytes > GRPC_METADATA_BYTES_MAX) {
    const sentence =
      `The metadata of the call have ${sizeBytes} bytes, more than ` + `${GRPC_METADATA_BYTES_MAX}.`;
    const limit = { limit: String(GRPC_METADATA_BYTES_MAX) };
    return { why: "metadata", error: new WireError("LIMIT_EXCEEDED", sentence, limit) };
  }
  if (method === UNKNOWN) {
    const error = new WireError("INVALID_REQUEST", `There is no method ${path} here.`, { path });
    return { why: "path", error };
  }
  if (encoding !== undefined && encoding !== "identity") {
    const sentence = `Compressed requests (grpc-encoding ${encoding}) are not taken: send it as it is.`;
    return { why: "compressed", error: new WireError("INVALID_REQUEST", sentence) };
  }
  return undefined;
}

/** The code of INVALID_REQUEST here: the method or encoding is not supported. Other failures keep theirs. */
const UNIMPLEMENTED = 12;

/** Sends a status without a message (Trailers-Only) past the library, which does not know the call. */
function answer(stream: ServerHttp2Stream, failure: Failure, requestId: string): void {
  if (stream.destroyed) return;
  const code = failure.reason === "INVALID_REQUEST" ? UNIMPLEMENTED : failure.code;
  const { metadata, details } = toStatus(failure, code);
  stream.respond(
    {
      [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_OK,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
      "grpc-status": code,
      "grpc-message": encodeURI(details),
      // The encodings that the client may use instead.
      "grpc-accept-encoding": "identity",
      [REQUEST_ID_HEADER]: requestId,
      ...metadata?.toHttp2Headers(),
    },
    { endStream: true },
  );
  stream.resume();
}

/** A stream of requests is bounded by its messages. */
function requestBytesMax({ role, method: { methodKind } }: Rpc): number | undefined {
  if (role === undefined) return OPEN_REQUEST_BYTES_MAX;
  const isOne = methodKind === "unary" || methodKind === "server_streaming";
  return role === "viewer" && isOne ? READ_REQUEST_BYTES_MAX : undefined;
}

function tooLarge(bytesMax: number): WireError {
  const sentence = `The request has more than ${bytesMax} bytes, and this method takes no more.`;
  return new WireError("LIMIT_EXCEEDED", sentence, { limit: String(bytesMax) });
}

function tooSlow(): WireError {
  const sentence = `The request did not arrive whole within ${OPEN_ARRIVAL_MS / 1000} s.`;
  return new WireError("DEADLINE_EXCEEDED", sentence, { arrivalMs: String(OPEN_ARRIVAL_MS) });
}

function noRoom(): WireError {
  return new WireError(
    "OVERLOADED",
    "Too many such calls are open, and a later one needs the place of this.",
  );
}
