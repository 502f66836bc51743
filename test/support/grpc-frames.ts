/** gRPC calls over node:http2, for what no client library of gRPC would send. */

import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { status as codes } from "@grpc/grpc-js";
import { decodeStatus } from "./grpc-errors.ts";

export interface RawEnd {
  /** Name of the code; undefined when the stream ended without one. */
  readonly code: string | undefined;
  readonly message: string;
  readonly reason: string | undefined;
  readonly bytesReceived: number;
}

export interface RawCall {
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  /** Bytes of the body, in the envelope of gRPC. @default an empty message */
  readonly body?: Uint8Array;
  /** Whether the request is never ended. */
  readonly staysOpen?: boolean;
}

/** A connection, closed when it goes out of scope. */
export async function openSession(address: string): Promise<ClientHttp2Session & AsyncDisposable> {
  const session = connect(`http://${address}`, { maxSendHeaderBlockLength: 2 ** 20 });
  session.on("error", () => undefined);
  await once(session, "remoteSettings");
  return Object.assign(session, {
    async [Symbol.asyncDispose]() {
      session.destroy();
    },
  });
}

/** Begins a call, and answers how it ended. */
export async function rawCall(session: ClientHttp2Session, call: RawCall): Promise<RawEnd> {
  const { path, headers = {}, body = Buffer.alloc(5), staysOpen = false } = call;
  const fixed = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  const stream = session.request({ ...fixed, ...headers });
  let bytesReceived = 0;
  let sent: IncomingHttpHeaders = {};
  stream.on("error", () => undefined);
  stream.on("response", (response) => {
    if (response["grpc-status"] !== undefined) sent = response;
  });
  stream.on("trailers", (trailers) => {
    sent = trailers;
  });
  stream.on("data", (chunk: Buffer) => {
    bytesReceived += chunk.length;
  });
  if (staysOpen) stream.write(body);
  else stream.end(body);
  if (!stream.closed) await new Promise((resolve) => stream.once("close", resolve));
  const details = sent["grpc-status-details-bin"];
  const status = details === undefined ? undefined : decodeStatus(Buffer.from(String(details), "base64"));
  const info = status?.details.find(({ type }) => type === "ErrorInfo")?.value;
  return {
    code: sent["grpc-status"] === undefined ? undefined : codes[Number(sent["grpc-status"])],
    message: decodeURI(String(sent["grpc-message"] ?? "")),
    reason: info !== undefined && "reason" in info ? info.reason : undefined,
    bytesReceived,
  };
}

/** A message in its envelope. */
export function envelope(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
