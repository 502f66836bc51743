/** Runs a suspend or a resume to its end and shows its progress. */
import { codeName, TorporError, type Transition, Transition_State, toDuration } from "../client/mod.ts";
import type { Session } from "./session.ts";
import { movedBytes } from "./transition-view.ts";

/** How long a transition may run before its progress is shown. Unit: milliseconds. */
const FIRST_WAIT_MS = 200;
/** How much longer than the requested wait the answer may take. Unit: milliseconds. */
const ANSWER_MARGIN_MS = 120_000;

export interface WaitOptions {
  /** How long to wait for the end. Unit: milliseconds. @default without a limit */
  readonly wait?: number;
}

export interface TransitionCall {
  /** The word in front of the bar. */
  readonly what: string;
  /** Bytes that will be moved, for the bar; 0 when unknown. */
  totalBytes(): Promise<number>;
  ask(wait: ReturnType<typeof toDuration>, timeoutMs: number): Promise<Transition>;
}

/**
 * Starts a transition and waits for its end, but no longer than the options allow.
 * @returns the last state of the transition that was seen
 * @throws TorporError if it failed or was cancelled
 */
export async function runTransition(
  session: Session,
  { what, totalBytes, ask }: TransitionCall,
  { wait }: WaitOptions,
): Promise<Transition> {
  if (wait !== undefined) return ask(toDuration(wait), wait + ANSWER_MARGIN_MS);
  using progress = session.progress(what);
  const total = progress.shown ? await totalBytes() : 0;
  let transition = await ask(toDuration(FIRST_WAIT_MS), ANSWER_MARGIN_MS);
  if (transition.state !== Transition_State.RUNNING) return transition;
  for await (transition of session.client.followTransition(transition.name)) {
    const ended = transition.phases.at(-1);
    progress.update(movedBytes(transition), total, ended === undefined ? "" : `after ${ended.phase}`);
  }
  const { error, name } = transition;
  if (error === undefined) return transition;
  const { reason, message } = error;
  throw new TorporError({ code: codeName(error.code), reason, message, metadata: { transition: name } });
}
