/** A suspend or a resume from the asking to its end, with its progress on the way. */
import { codeName, TorporError, type Transition, Transition_State, toDuration } from "../client/mod.ts";
import type { Session } from "./session.ts";
import { movedBytes } from "./transition-view.ts";

/** How long the daemon is given to end a short transition before its progress is asked for. Unit: milliseconds. */
const FIRST_WAIT_MS = 200;
/** What the daemon may take longer than it was asked to wait. Unit: milliseconds. */
const ANSWER_MARGIN_MS = 120_000;

export interface WaitOptions {
  /** How long to wait for the end. Unit: milliseconds. @default until it has come */
  readonly wait?: number;
}

export interface TransitionCall {
  /** The word before the bar. */
  readonly what: string;
  /** How much will be moved, for the bar; 0 when that is not known. */
  totalBytes(): Promise<number>;
  ask(wait: ReturnType<typeof toDuration>, timeoutMs: number): Promise<Transition>;
}

/**
 * Starts a transition and waits for its end, or as long as the options say.
 * @returns the transition as it was last seen
 * @throws TorporError when it failed or was cancelled
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
