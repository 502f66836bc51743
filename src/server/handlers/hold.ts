/** What a request says about a running transition, as the device's word for it. */
import type { Hold } from "../../device/command.ts";

export function holdOf(request: { readonly holdDuringTransition: boolean }): Hold {
  return request.holdDuringTransition ? "transition" : "refuse";
}
