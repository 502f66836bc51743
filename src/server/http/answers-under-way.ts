/**
 * The requests of a connection whose answers are not complete. Nothing may be written into the middle of an
 * answer.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export class AnswersUnderWay {
  /** In the order of the requests, which is also the order of the answers. */
  readonly #bySocket = new WeakMap<Socket, Exchange[]>();

  /** Follows every request from now on, before any other listener. */
  follow(server: Server): void {
    const begin = (request: IncomingMessage, response: ServerResponse) => this.#begin({ request, response });
    for (const event of ["request", "checkContinue", "checkExpectation"])
      server.prependListener(event, begin);
  }

  /**
   * Calls `then` when all earlier answers have been sent, and says whether an answer to the unreadable
   * request may still be written. It may not if that request already has its answer, or if the connection has
   * ended.
   */
  whenDone(socket: Socket, then: (mayAnswer: boolean) => void): void {
    const exchanges = this.#bySocket.get(socket) ?? [];
    const last = exchanges.at(-1);
    // The unreadable part is either in the body of the last request, which this answer then concerns, or in
    // the head of the next one.
    const broken = last !== undefined && !last.request.complete ? last : undefined;
    const before = exchanges.find((exchange) => exchange !== broken);
    if (before !== undefined) {
      before.response.once("close", () => this.whenDone(socket, then));
      return;
    }
    if (broken?.response.headersSent !== true) {
      then(socket.writable);
      return;
    }
    if (broken.response.closed) then(false);
    else broken.response.once("close", () => then(false));
  }

  #begin(exchange: Exchange): void {
    const { socket } = exchange.request;
    const exchanges = this.#bySocket.get(socket) ?? [];
    exchanges.push(exchange);
    this.#bySocket.set(socket, exchanges);
    exchange.response.on("close", () => {
      exchanges.splice(exchanges.indexOf(exchange), 1);
    });
  }
}
