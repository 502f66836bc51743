/** What a call that began a transition answers: it waits for the end, as long as was asked. */
import type { TransitionResource } from "../resource.ts";
import type { Transition } from "./transition.ts";

/** @throws DeviceError what the transition failed with, if it ended in time */
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

/** Brings an error that nobody waits for to the process, as what it is: a bug. */
export function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
