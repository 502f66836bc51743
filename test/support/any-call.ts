/** Any RPC over either wire with given credentials, for tests that walk over all of them. */
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type ChannelCredentials, Client, status as grpcStatus, Metadata } from "@grpc/grpc-js";
import { readBindings } from "../../src/contract/http-bindings.ts";
import { REGISTRY } from "../../src/contract/registry.ts";
import { decodeStatus } from "./grpc-errors.ts";

/** How a call ended: the name of its code, and its reason when it failed. */
export interface Ending {
  readonly code: string;
  readonly reason: string | undefined;
  readonly metadata: Metadata;
}

const keep = (bytes: Buffer) => bytes;

/** Calls `torpor.v1.X/Y` with one message, whatever kind of method it is. The first answer counts as OK. */
export async function callAny(
  target: { readonly address: string; readonly credentials: ChannelCredentials },
  rpc: string,
  headers: Readonly<Record<string, string>> = {},
  message: Uint8Array = new Uint8Array(0),
): Promise<Ending> {
  // The client of the library takes no address for the name in a certificate.
  const options = { "grpc.ssl_target_name_override": "localhost" };
  const client = new Client(target.address, target.credentials, options);
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const deadline = Date.now() + 20_000;
  try {
    return await new Promise<Ending>((resolve) => {
      const call = client.makeBidiStreamRequest(`/${rpc}`, keep, keep, metadata, { deadline });
      call.on("error", () => {});
      call.on("data", () => resolve({ code: "OK", reason: undefined, metadata }));
      call.on("status", ({ code, metadata: trailers }) => {
        const [bytes] = trailers.get("grpc-status-details-bin");
        const details = Buffer.isBuffer(bytes) ? decodeStatus(bytes).details : [];
        const info = details.find(({ type }) => type === "ErrorInfo");
        const reason = info?.type === "ErrorInfo" ? info.value.reason : undefined;
        resolve({ code: grpcStatus[code] ?? "", reason, metadata: trailers });
      });
      call.write(Buffer.from(message));
      call.end();
    });
  } finally {
    client.close();
  }
}

export interface RestCall {
  readonly rpc: string;
  readonly method: string;
  /** A path that the route of the RPC serves; what it names is not there. */
  readonly path: string;
}

/** A request for each RPC that REST serves. */
export function restCalls(): readonly RestCall[] {
  return readBindings(REGISTRY).map(({ rpc, httpMethod, template }) => ({
    rpc,
    method: httpMethod,
    path: template.replace(/\{[\w.]+=([^}]+)\}/, "$1").replaceAll("*", "x1"),
  }));
}

/** Sends an HTTP/1.1 request over TLS and answers all that comes back; of a stream of events, which has no end, the beginning. */
export function sendTls(options: ConnectionOptions, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connectTls(options, () => socket.write(text));
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      answer += part;
      if (/^content-type: text\/event-stream.*\r\n\r\n/ims.test(answer)) socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}
