/** Spans of transitions and their phases, made from a device's events. */
import {
  type Attributes,
  type Context,
  type HrTime,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { DeviceEvent, EventSink } from "../../device/events.ts";
import type { TransitionResource } from "../../device/resource.ts";
import { currentCall } from "./current-call.ts";

interface RunningTransition {
  readonly span: Span;
  readonly context: Context;
}

/** The span that contains the phases. */
interface PhaseParent {
  readonly device: string;
  readonly context: Context;
}

type PhaseEnd = Extract<DeviceEvent, { type: "phaseEnded" }>;

/** Makes the sink that traces the events of `device`. */
export function traceDevice(tracer: Tracer, device: string): EventSink {
  let running: RunningTransition | undefined;
  return (event) => {
    switch (event.type) {
      case "transitionStarted":
        running = begin(tracer, device, event.transition);
        break;
      case "phaseEnded":
        if (running !== undefined) addPhase(tracer, { device, context: running.context }, event);
        break;
      case "transitionEnded":
        if (running !== undefined) end(running.span, event.transition);
        running = undefined;
        break;
      default:
        if (running !== undefined) note(running.span, event);
    }
  };
}

/**
 * A transition is a part of the call that began it. A transition that the device begins by itself is not,
 * because its timer carries the context of whatever call came last.
 */
function begin(tracer: Tracer, device: string, transition: TransitionResource): RunningTransition {
  const { kind, startTimeNs } = transition;
  const parent = kind === "RUNTIME_SUSPEND" ? ROOT_CONTEXT : (currentCall() ?? ROOT_CONTEXT);
  const name = `${kind.toLowerCase()} ${targetOf(transition)}`;
  const options = { startTime: timeOf(startTimeNs), attributes: identify(device, transition) };
  const span = tracer.startSpan(name, options, parent);
  return { span, context: trace.setSpan(parent, span) };
}

function addPhase(tracer: Tracer, within: PhaseParent, event: PhaseEnd): void {
  const { device, context } = within;
  const { transition, phase, error } = event;
  const attributes = {
    ...identify(device, transition),
    "torpor.phase": phase.phase,
    "torpor.phase.objects": phase.objects,
    "torpor.phase.bytes": phase.bytes,
    "torpor.phase.blitter_bytes": phase.blitterBytes,
    "torpor.phase.memcpy_bytes": phase.memcpyBytes,
    "torpor.phase.skipped_volatile": phase.skippedVolatile,
  };
  const startTime = timeOf(phase.startTimeNs);
  const span = tracer.startSpan(phase.phase, { startTime, attributes }, context);
  fail(span, error);
  span.end(timeOf(phase.startTimeNs + phase.durationNs));
}

function end(span: Span, transition: TransitionResource): void {
  const { state, evictedBytes, backupBytes, restoredBytes, wedged, recovered, error, endTimeNs } = transition;
  span.setAttributes({
    "torpor.transition.state": state,
    "torpor.evicted_bytes": evictedBytes,
    "torpor.backup_bytes": backupBytes,
    "torpor.restored_bytes": restoredBytes,
    "torpor.wedged": wedged,
    "torpor.recovered": recovered,
  });
  fail(span, error);
  span.end(endTimeNs === undefined ? undefined : timeOf(endTimeNs));
}

function fail(span: Span, error: TransitionResource["error"]): void {
  if (error === undefined) return;
  span.setAttributes({ "error.type": error.reason, "torpor.error.reason": error.reason });
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

/** Events that an operator would look for within a transition. The others are counted. */
function note(span: Span, event: DeviceEvent): void {
  switch (event.type) {
    case "blitterFallback":
      span.addEvent("blitter fallback", { "torpor.error.reason": event.reason, "torpor.bytes": event.bytes });
      break;
    case "phaseForgiven":
      span.addEvent("phase forgiven", { "torpor.error.reason": event.reason, "torpor.why": event.message });
      break;
    case "wedged":
      span.addEvent(event.wedged ? "wedged" : "no longer wedged", { "torpor.why": event.why });
      break;
    case "engineReset":
      span.addEvent("engine reset", { "torpor.engine": event.engine, "torpor.why": event.why });
      break;
    case "verifyFailed":
      span.addEvent("verify failed", { "torpor.objects": event.objects.length });
      break;
    case "contentLost":
      span.addEvent("content lost", { "torpor.object": event.object, "torpor.bytes": event.bytes });
      break;
    case "imageSealed":
    case "imageConsumed":
      span.addEvent(event.type === "imageSealed" ? "image sealed" : "image consumed", {
        "torpor.image": event.image,
      });
      break;
  }
}

function identify(device: string, transition: TransitionResource): Attributes {
  return {
    "torpor.device": device,
    "torpor.transition": `devices/${device}/transitions/${transition.id}`,
    "torpor.transition.kind": transition.kind.toLowerCase(),
    "torpor.transition.target": targetOf(transition),
  };
}

function targetOf({ sleepState, dState }: TransitionResource): string {
  return sleepState ?? dState;
}

function timeOf(timeNs: bigint): HrTime {
  return [Number(timeNs / 1_000_000_000n), Number(timeNs % 1_000_000_000n)];
}
