/** The span of the call that is being answered, which the runtime carries along asynchronous work. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, type Span, trace } from "@opentelemetry/api";

interface ActingCall {
  readonly span: Span;
  /** The context that contains the span. */
  readonly parent: Context;
}

const ACTING = new AsyncLocalStorage<ActingCall>();

/** Runs `work`, and everything it starts, in the context of `call`. */
export function actingFor<T>(call: ActingCall, work: () => T): T {
  return ACTING.run(call, work);
}

/** The context of the current call; undefined outside of any call. */
export function currentCall(): Context | undefined {
  const acting = ACTING.getStore();
  return acting && trace.setSpan(acting.parent, acting.span);
}
