/**
 * A transition while it runs. The one place that knows how its progress is learnt: by events, else by asking.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Event, Event_Type } from "../contract/gen/torpor/v1/event.ts";
import { type Transition, Transition_State, type TransitionPhase } from "../contract/gen/torpor/v1/power.ts";
import type { CallOptions } from "./channel.ts";
import { TorporError } from "./errors.ts";
import { TRANSITION_POLL_MS } from "./limits.ts";
import type { WatchOptions } from "./watch-events.ts";

export interface FollowOptions {
  /** Ends following with an AbortError. The transition goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** The two ways to learn of a transition. */
export interface TransitionSources {
  /** Looks at it once. */
  readonly look: (request: { name: string }, options: CallOptions) => Promise<Transition>;
  readonly watch: (options: WatchOptions) => AsyncIterable<Event>;
}

/**
 * Gives the transition as it is, and again whenever there is news, until it has ended: the last one given is
 * the end, and comes from the daemon whole. Before it only the phases are kept up to date. The daemon gives
 * every transition a deadline, so this ends.
 *
 * Where events are refused (to this caller's role, by an older daemon, because too many watch) or their
 * stream breaks, the daemon is asked again and again instead. What is given is the same, and an error that is
 * not of the events alone meets the asking too, so nothing is hidden by it.
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

/** Gives it by events, as long as it has not ended. */
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
      // The first says that the stream is live, so that what this look does not show will be told. The later
      // ones come when nothing was told for long: another look costs nothing then.
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
