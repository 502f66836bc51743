/** Follows a running transition. Only this file knows how progress is learned: from events, or by polling. */
import { setTimeout as pause } from "node:timers/promises";
import { type Event, Event_Type } from "../contract/gen/torpor/v1/event.ts";
import { type Transition, Transition_State, type TransitionPhase } from "../contract/gen/torpor/v1/power.ts";
import type { CallOptions } from "./channel.ts";
import { TRANSITION_POLL_MS } from "./limits.ts";
import { TorporError } from "./torpor-error.ts";
import type { WatchOptions } from "./watch-events.ts";

export interface FollowOptions {
  /** Stops following with an AbortError. The transition continues. */
  readonly signal?: AbortSignal | undefined;
}

/** The two ways to follow a transition. */
export interface TransitionSources {
  /** Fetches it once. */
  readonly look: (request: { name: string }, options: CallOptions) => Promise<Transition>;
  readonly watch: (options: WatchOptions) => AsyncIterable<Event>;
}

/**
 * Yields the transition as it is, and again on each change, until it has ended. The last value is complete
 * and comes from the daemon; until then only the phases are kept up to date. The daemon gives every
 * transition a deadline, so this ends.
 *
 * If the daemon refuses events (because of the caller's role, its own age, or too many watchers) or the
 * stream breaks, this polls the daemon instead and yields the same values. An error that does not concern
 * only events also fails the polling, so none is hidden.
 * @throws TorporError
 */
export async function* followTransition(
  { look, watch }: TransitionSources,
  name: string,
  { signal }: FollowOptions,
): AsyncGenerator<Transition, void, undefined> {
  try {
    yield* whileItRuns({ look, watch }, name, signal);
  } catch (error) {
    if (!(error instanceof TorporError)) throw error;
  }
  for (;;) {
    signal?.throwIfAborted();
    const transition = await look({ name }, { signal });
    yield transition;
    if (transition.state !== Transition_State.RUNNING) return;
    await pause(TRANSITION_POLL_MS, undefined, { signal });
  }
}

/** Follows it by events until it has ended. */
async function* whileItRuns(
  { look, watch }: TransitionSources,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Transition, void, undefined> {
  const [device = ""] = name.split("/transitions/");
  const types = [Event_Type.PHASE_ENDED, Event_Type.TRANSITION_ENDED];
  let transition: Transition | undefined;
  for await (const { payload } of watch({ devices: [device], types, signal, reconnect: false })) {
    if (payload?.$case === "bookmark") {
      // The first bookmark says that the stream is live, so it will report whatever this look misses. Later
      // bookmarks come after long silences, when another look costs nothing.
      transition = await look({ name }, { signal });
      if (transition.state !== Transition_State.RUNNING) return;
      yield transition;
    } else if (payload?.$case === "phaseEnded" && payload.value.transition === name) {
      const { phase } = payload.value;
      if (transition === undefined || phase === undefined) continue;
      // The look may have shown it already.
      if (transition.phases.some((known) => isSame(known, phase))) continue;
      transition = { ...transition, phases: [...transition.phases, phase] };
      yield transition;
    } else if (payload?.$case === "transitionEnded" && payload.value.transition?.name === name) {
      return;
    }
  }
}

function isSame(one: TransitionPhase, other: TransitionPhase): boolean {
  const { startTime: a } = one;
  const { startTime: b } = other;
  return one.phase === other.phase && a?.seconds === b?.seconds && a?.nanos === b?.nanos;
}
