/** Decodes what a request wants during a running transition into the device's words. */
import type { Hold } from "../../device/command.ts";

/** The `hold` of a request that says nothing: undefined, so that the device's policy decides. */
export interface HoldWish {
  readonly hold?: Hold;
  /** Aborted when the caller has left: a held call must then not run later. */
  readonly signal?: AbortSignal;
  /** Who asks; undefined where callers are not told apart. */
  readonly caller?: string | undefined;
}

/** The client that waits for the answer of a call. */
export interface Client {
  /** Aborted when the client has left. Most calls never ask for it, so it is made on first use. */
  readonly signal: AbortSignal;
  /** Who the gate found it to be; undefined where callers are not told apart. */
  readonly caller?: string | undefined;
}

export function holdOf(
  request: { readonly holdDuringTransition: boolean },
  client: Client | undefined,
): HoldWish {
  return {
    ...(request.holdDuringTransition ? { hold: "transition" } : {}),
    ...(client === undefined ? {} : { signal: client.signal, caller: client.caller }),
  };
}
