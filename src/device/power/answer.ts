/**
 * Makes the answer of a call that began a transition. It waits for the end as long as the caller asked for.
 */
import type { TransitionResource } from "../resource.ts";
import type { Transition } from "./transition.ts";

/** @throws DeviceError the error of the transition, if it failed in time */
export async function answer(
  transition: Transition,
  run: Promise<void>,
  waitMs: number | undefined,
): Promise<TransitionResource> {
  // The run never rejects: whatever stops it is the transition's error. A bug of ours must still be seen.
  run.catch(rethrow);
  await transition.ended(waitMs);
  if (transition.error !== undefined) throw transition.error;
  return transition.describe();
}

/** Passes an error that nobody waits for to the process. It is a bug. */
export function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
