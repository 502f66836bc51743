/** A client that waits for its answer and may leave before it comes. */
import type { ServerResponse } from "node:http";
import type { WaitingClient } from "../api/rpc.ts";

export class HttpClient implements WaitingClient {
  readonly caller: string | undefined;
  readonly #response: ServerResponse;
  #signal: AbortSignal | undefined;

  /** @param caller the caller's identity; undefined if callers are not told apart */
  constructor(response: ServerResponse, caller: string | undefined) {
    this.#response = response;
    this.caller = caller;
  }

  get hasGone(): boolean {
    return this.#response.closed && !this.#response.writableFinished;
  }

  /** Aborted when the connection ends before the answer has been sent. */
  get signal(): AbortSignal {
    this.#signal ??= this.#listen();
    return this.#signal;
  }

  #listen(): AbortSignal {
    const gone = new AbortController();
    if (this.hasGone) gone.abort();
    else {
      this.#response.once("close", () => {
        if (this.hasGone) gone.abort();
      });
    }
    return gone.signal;
  }
}
