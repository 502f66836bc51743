/**
 * A gRPC call from its head to the end of its stream, whatever ends it. Metrics count what went over the
 * wire.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status as codes } from "@grpc/grpc-js";
import { GRPC_DEADLINE_SLACK_MS, GRPC_LINGER_MS, GRPC_STREAMS_MAX } from "../limits.ts";
import type { Failure } from "../messages/wire-error.ts";

/** The result that the caller saw. */
export interface SeenEnd {
  /** Name of the code. */
  readonly code: string;
  /** Set if the wire itself ended the call. */
  readonly reason: string | undefined;
}

export class ArrivedCall {
  readonly path: string;
  readonly startMs = performance.now();
  /** Ends the call with this failure. Set once the library has the call. */
  refuse: ((failure: Failure) => void) | undefined;
  /** The reason for which the library ended the call. */
  ended: Failure | undefined;
  /** Whether its remaining input must be discarded. */
  isUnwanted = false;
  readonly #stream: ServerHttp2Stream;
  readonly #timeoutMs: number;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.path = headers[":path"] ?? "";
    this.#timeoutMs = timeoutOf(headers["grpc-timeout"]);
    // The client causes its errors, and "close" reports the consequences.
    stream.on("error", () => undefined);
    stream.once("finish", () => this.#linger());
  }

  /** The end that its caller sees, as far as it has been sent. */
  get seen(): SeenEnd {
    const { sentTrailers, sentHeaders } = this.#stream;
    const sent = sentTrailers?.["grpc-status"] ?? sentHeaders?.["grpc-status"];
    if (sent !== undefined) return { code: codes[Number(sent)] ?? "UNKNOWN", reason: this.ended?.reason };
    // How clients interpret an HTTP error, which is not gRPC.
    if (sentHeaders !== undefined && Number(sentHeaders[":status"]) !== constants.HTTP_STATUS_OK)
      return { code: "UNKNOWN", reason: undefined };
    const isLate = performance.now() - this.startMs >= this.#timeoutMs - GRPC_DEADLINE_SLACK_MS;
    const code = isLate ? "DEADLINE_EXCEEDED" : "CANCELLED";
    return { code, reason: isLate ? "DEADLINE_EXCEEDED" : undefined };
  }

  /** Allows its connection as many calls at once as a known connection may have. */
  widen(): void {
    const { session } = this.#stream;
    if (session !== undefined && !session.destroyed)
      session.settings({ maxConcurrentStreams: GRPC_STREAMS_MAX });
  }

  /**
   * Discards the remaining input of a refused call, which the library would collect. Call this again once the
   * library has begun to listen.
   */
  discard(): void {
    this.isUnwanted = true;
    this.#stream.removeAllListeners("data").resume();
  }

  get seconds(): number {
    return (performance.now() - this.startMs) / 1000;
  }

  /**
   * Otherwise a call that was answered before its request was complete would stay half open as long as its
   * client likes.
   */
  #linger(): void {
    const stream = this.#stream;
    if (stream.readableEnded || stream.closed) return;
    setTimeout(() => {
      if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
    }, GRPC_LINGER_MS).unref();
  }
}

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** The longest deadline, for calls without one or with a malformed one. Unit: milliseconds. */
function timeoutOf(header: string | string[] | undefined): number {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(String(header)) ?? [];
  return digits === undefined ? Number.POSITIVE_INFINITY : Number(digits) * (UNIT_MS[unit] ?? 1);
}
