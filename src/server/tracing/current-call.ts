/**
 * In whose name something happens: the span of the call that is being answered, carried along by the runtime.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, type Span, trace } from "@opentelemetry/api";

interface ActingCall {
  readonly span: Span;
  /** What the span itself is in. */
  readonly parent: Context;
}

const ACTING = new AsyncLocalStorage<ActingCall>();

/** Does `work`, and whatever it begins, in the name of `call`. */
export function actingFor<T>(call: ActingCall, work: () => T): T {
  return ACTING.run(call, work);
}

/** The context of the call in whose name this happens; undefined where nobody called. */
export function currentCall(): Context | undefined {
  const acting = ACTING.getStore();
  return acting && trace.setSpan(acting.parent, acting.span);
}
