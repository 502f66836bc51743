/**
 * The HTTP/2 servers under grpc-js, which creates them itself and exposes few of their options. This file
 * uses private parts of grpc-js. Its version is pinned, and the daemon does not start if those parts ever
 * differ.
 */
import assert from "node:assert/strict";
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { Server as NetServer } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { GRPC_METADATA_BYTES_TOLD, GRPC_STREAMS_UNKNOWN_MAX } from "../limits.ts";

/** Lets a stream in, which hands it to grpc-js, or refuses it. */
export type StreamGuard = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  pass: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
) => void;

export interface Http2Guards {
  /** Called with each server before it listens. */
  readonly onServer: (server: NetServer) => void;
  readonly onStream: StreamGuard;
  /**
   * Called if the input is not HTTP/2 or exceeds a limit. Returns whether the library may end the connection
   * now. If not, the listener ends it.
   */
  readonly onBroken: (socket: ServerHttp2Session["socket"]) => boolean;
}

/**
 * No real client sends more frames of this kind, so more of them end the connection. Node's defaults limit
 * other kinds.
 */
const SESSION_OPTIONS = {
  /** Frames for streams that do not exist, per session. */
  maxSessionInvalidFrames: 100,
  /** Entries in one SETTINGS frame: only seven exist. */
  maxSettings: 16,
  /**
   * Calls that were reset before their end: at once, and per second. A real client has fewer deadlines and
   * cancels.
   */
  streamResetBurst: 1000,
  streamResetRate: 33,
} as const;

/** Must be called before the server is bound. */
export function guardHttp2(server: Server, { onServer, onStream, onBroken }: Http2Guards): void {
  const options: unknown = Reflect.get(server, "commonServerOptions");
  assert(typeof options === "object" && options !== null, "grpc-js keeps its HTTP/2 options elsewhere");
  const settings = {
    maxConcurrentStreams: GRPC_STREAMS_UNKNOWN_MAX,
    maxHeaderListSize: GRPC_METADATA_BYTES_TOLD,
  };
  Object.assign(options, SESSION_OPTIONS, { settings });
  const create: unknown = Reflect.get(server, "createHttp2Server");
  assert(typeof create === "function", "grpc-js makes its HTTP/2 servers otherwise");
  Reflect.set(server, "createHttp2Server", (credentials: unknown) => {
    const http2Server: unknown = Reflect.apply(create, server, [credentials]);
    assert(isHttp2Server(http2Server), "grpc-js serves by something else than node:http2");
    const [serve, ...others] = http2Server.listeners("stream");
    assert(serve !== undefined && others.length === 0, "grpc-js takes streams otherwise");
    http2Server.removeAllListeners("stream");
    const pass = (...stream: unknown[]) => void Reflect.apply(serve, http2Server, stream);
    http2Server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      onStream(stream, headers, pass),
    );
    http2Server.on("session", (session: ServerHttp2Session) => deferBreak(session, onBroken));
    onServer(http2Server);
    return http2Server;
  });
}

/** The library destroys a session with an error of its own when it cannot or will not read on. */
function deferBreak(session: ServerHttp2Session, onBroken: Http2Guards["onBroken"]): void {
  const destroy = session.destroy.bind(session);
  session.destroy = (error, code) => {
    const isBreak = error instanceof Error && "code" in error && String(error.code).startsWith("ERR_HTTP2");
    if (!isBreak || session.destroyed || onBroken(session.socket)) destroy(error, code);
  };
}

/** Servers with TLS have another class with the same events. */
function isHttp2Server(server: unknown): server is Http2Server {
  return server instanceof NetServer;
}
