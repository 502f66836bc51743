/** A client that goes away before it has its answer. */
import type { ServerResponse } from "node:http";

/** Aborted when the connection ends before the answer has been sent. */
export function goneOf(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}
