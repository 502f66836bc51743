/** What a request says about a running transition, as the device's words for it. */
import type { Hold } from "../../device/command.ts";

/**
 * What a request that says nothing has of `hold`: nothing, because it is then the device's policy that
 * counts.
 */
export interface HoldWish {
  readonly hold?: Hold;
  /** The caller has gone away: a call that is held must not run later then. */
  readonly signal?: AbortSignal;
  /** Who asks; undefined where callers are not told apart. */
  readonly caller?: string | undefined;
}

/** Who waits for the answer of a call. */
export interface Client {
  /**
   * Aborted when it has gone away. Most calls never ask, so that whoever has a client makes it when it is
   * asked for.
   */
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
