/** Answers input that is not HTTP, too slow or too long, in the same shape as every other error. */
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
 * Not from the table in node:http: importing that by name loads everything it exports, including a WebSocket.
 */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: { httpStatus: 431, text: "Request Header Fields Too Large" },
  ERR_HTTP_REQUEST_TIMEOUT: { httpStatus: 408, text: "Request Timeout" },
};
const BAD_REQUEST: Refusal = { httpStatus: 400, text: "Bad Request" };

const HEAD = Buffer.from("HEAD ");

type ClientError = Error & { readonly code?: string; readonly rawPacket?: unknown };

/**
 * Makes the listener for Node's `clientError`. There is no request yet, so it writes the answer by hand and
 * ends the connection. The answer follows all earlier answers, and never goes into the middle of one.
 * @param onAnswered gets the status
 */
export function clientErrorHandler(
  answers: AnswersUnderWay,
  onAnswered: (status: number) => void,
): (error: ClientError, socket: Socket) => void {
  const broken = new WeakSet<Socket>();
  return (error, socket) => {
    // Before the handshake is done nothing can be sent, and ending the socket would wait for the handshake.
    const isInHandshake = "secureConnecting" in socket && socket.secureConnecting === true;
    if (error.code === "ECONNRESET" || !socket.writable || isInHandshake) {
      socket.destroy();
      return;
    }
    // Nothing that follows on this connection can be read either.
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
  // After a HEAD, the client would read a body as the next answer.
  const { rawPacket } = error;
  const isHead = Buffer.isBuffer(rawPacket) && rawPacket.subarray(0, HEAD.length).equals(HEAD);
  socket.end(`${head.join("\r\n")}\r\n\r\n${isHead ? "" : body}`);
  return httpStatus;
}

/**
 * The listener for Node's `checkExpectation`: an `Expect` other than 100-continue. Nobody wants the body, so
 * the connection ends.
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
