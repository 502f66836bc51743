/** What a request says about a running transition, as the device's words for it. */
import type { Hold } from "../../device/command.ts";

/** What a request that says nothing has: nothing, because it is then the device's policy that counts. */
export type HoldWish = { readonly hold?: Hold };

export function holdOf(request: { readonly holdDuringTransition: boolean }): HoldWish {
  return request.holdDuringTransition ? { hold: "transition" } : {};
}
