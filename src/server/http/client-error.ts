/** What is not HTTP, or too slow, or too long to be read, answered in the same shape as every other error. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { toFailure, WireError } from "../messages/wire-error.ts";
import type { AnswersUnderWay } from "./answers-under-way.ts";
import { errorBody } from "./error-reply.ts";

interface Refusal {
  readonly httpStatus: number;
  readonly text: string;
}

/**
 * Not from the table of node:http: to import that by name loads all that it exports, a WebSocket among it.
 */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: { httpStatus: 431, text: "Request Header Fields Too Large" },
  ERR_HTTP_REQUEST_TIMEOUT: { httpStatus: 408, text: "Request Timeout" },
};
const BAD_REQUEST: Refusal = { httpStatus: 400, text: "Bad Request" };

const HEAD = Buffer.from("HEAD ");

type ClientError = Error & { readonly code?: string; readonly rawPacket?: unknown };

/**
 * Makes what Node's `clientError` calls: there is no request yet, so the answer is written by hand and the
 * connection ends. It comes after the answers to what came before, if any are under way, and never into one.
 * @param onAnswered told the status
 */
export function clientErrorHandler(
  answers: AnswersUnderWay,
  onAnswered: (status: number) => void,
): (error: ClientError, socket: Socket) => void {
  const broken = new WeakSet<Socket>();
  return (error, socket) => {
    // Nothing can be said on a connection whose handshake is not done, and to end it would wait for the
    // handshake.
    const isInHandshake = "secureConnecting" in socket && socket.secureConnecting === true;
    if (error.code === "ECONNRESET" || !socket.writable || isInHandshake) {
      socket.destroy();
      return;
    }
    // What still comes on it cannot be read either.
    if (broken.has(socket)) return;
    broken.add(socket);
    answers.whenDone(socket, (mayAnswer) => {
      if (mayAnswer) onAnswered(answerClientError(error, socket));
      else socket.destroy();
    });
  };
}

function answerClientError(error: ClientError, socket: Socket): number {
  const { httpStatus, text } = REFUSALS[error.code ?? ""] ?? BAD_REQUEST;
  const wireError = new WireError(
    "INVALID_REQUEST",
    `The request cannot be read: ${text}.`,
    {},
  ).withHttpStatus(httpStatus);
  const body = JSON.stringify(errorBody(toFailure(wireError)));
  const head = [
    `HTTP/1.1 ${httpStatus} ${text}`,
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  // A client that sent HEAD takes a body for the next answer.
  const { rawPacket } = error;
  const isHead = Buffer.isBuffer(rawPacket) && rawPacket.subarray(0, HEAD.length).equals(HEAD);
  socket.end(`${head.join("\r\n")}\r\n\r\n${isHead ? "" : body}`);
  return httpStatus;
}

/**
 * Node's `checkExpectation`: an `Expect` that is not 100-continue. The body is not wanted, so the connection
 * ends.
 */
export function answerExpectation({ headers }: IncomingMessage, response: ServerResponse): void {
  const { expect = "" } = headers;
  const sentence = `Expectation "${expect}" cannot be met: only 100-continue can.`;
  const failure = toFailure(new WireError("INVALID_REQUEST", sentence, { expect }).withHttpStatus(417));
  const body = JSON.stringify(errorBody(failure));
  response.writeHead(417, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}
