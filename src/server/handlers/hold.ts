/** What a request says about a running transition, as the device's words for it. */
import type { Hold } from "../../device/command.ts";

/** What a request that says nothing has of `hold`: nothing, because it is then the device's policy that counts. */
export interface HoldWish {
  readonly hold?: Hold;
  /** The caller has gone away: a call that is held must not run later then. */
  readonly signal?: AbortSignal;
}

export function holdOf(
  request: { readonly holdDuringTransition: boolean },
  signal: AbortSignal | undefined,
): HoldWish {
  return {
    ...(request.holdDuringTransition ? { hold: "transition" } : {}),
    ...(signal === undefined ? {} : { signal }),
  };
}
