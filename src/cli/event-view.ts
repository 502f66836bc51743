/** Shows events, one per line, and says in words what happened. */
import {
  Context_Priority,
  type Device,
  Device_PowerState,
  DState,
  type Event,
  Event_Type,
  Evicted_Cause,
  type MemoryObject,
  Object_State,
  SleepState,
  type Transition,
  Transition_Kind,
  Transition_State,
  type TransitionPhase,
  toMs,
} from "../client/mod.ts";
import { printable } from "../contract/terminal-text.ts";
import { enumName } from "./enums.ts";
import { shortName } from "./names.ts";
import { formatMs, formatObjects, formatSize } from "./quantities.ts";
import { formatDuration, formatTime } from "./times.ts";

/** Most names in one line. */
const NAMES_MAX = 8;
/** Width of the longest type, TRANSITION_STARTED. Unit: columns. */
const TYPE_WIDTH = 18;

/** One line, with its line break. */
export function formatEvent(event: Event): string {
  const { time, device, type, payload } = event;
  const cells = [formatTime(time), shortName(device), enumName(Event_Type, type).padEnd(TYPE_WIDTH)];
  return `${printable([...cells, wordsOf(payload)].join("  ")).trimEnd()}\n`;
}

/** Types newer than this program have no words of their own. */
function wordsOf(payload: Event["payload"]): string {
  switch (payload?.$case) {
    case "deviceChanged":
      return device(payload.value.device);
    case "transitionStarted":
      return transition(payload.value.transition);
    case "phaseEnded":
      return `${phase(payload.value.phase)} (transition ${shortName(payload.value.transition)})`;
    case "transitionEnded":
      return transition(payload.value.transition);
    case "objectsCreated":
    case "objectsChanged":
      return objects(payload.value.objects);
    case "objectsDeleted":
      return named(payload.value.names);
    case "contextCreated":
      return context(payload.value.context);
    case "contextChanged":
      return `hung its engine: ${context(payload.value.context)}`;
    case "contextDeleted":
      return `context ${shortName(payload.value.name)}`;
    case "engineReset":
      return `${shortName(payload.value.engine)}: ${payload.value.why}${ofContext(payload.value.context)}`;
    case "evicted":
      return evicted(payload.value);
    case "failpointHit":
      return shortName(payload.value.failpoint);
    case "deviceRestored":
      return `from snapshot ${shortName(payload.value.snapshot)}: ${device(payload.value.device)}`;
    case "imageSealed":
    case "imageConsumed":
      return `image ${shortName(payload.value.image)}`;
    default:
      return "";
  }
}

function device(state: Device | undefined): string {
  if (state === undefined) return "";
  const { powerState, sleepState, dState, wedged } = state;
  const sleep = sleepState === 0 ? [] : [enumName(SleepState, sleepState)];
  const words = [enumName(Device_PowerState, powerState), ...sleep, enumName(DState, dState)];
  return [...words, ...(wedged ? ["WEDGED"] : [])].join(" ");
}

function transition(state: Transition | undefined): string {
  if (state === undefined) return "";
  const { kind, sleepState, startTime, endTime, error } = state;
  const took =
    startTime === undefined || endTime === undefined
      ? ""
      : ` in ${formatMs(toMs(endTime) - toMs(startTime))}`;
  const what = `${enumName(Transition_Kind, kind)} ${enumName(SleepState, sleepState)}`;
  const why = error === undefined ? "" : `: ${error.message} (${error.reason})`;
  return (
    `${what} ${enumName(Transition_State, state.state)}${took} (transition ` +
    `${shortName(state.name)})${why}`
  );
}

function phase(ended: TransitionPhase | undefined): string {
  if (ended === undefined) return "";
  const moved = ended.objects === 0 ? "" : `, ${amount(ended.objects, ended.bytes)}`;
  return `${ended.phase} took ${formatDuration(ended.duration)}${moved}`;
}

function objects(told: readonly MemoryObject[]): string {
  const [first] = told;
  if (first === undefined) return formatObjects(0);
  const sizeBytes = told.reduce((sum, { size }) => sum + size, 0n);
  if (told.length > 1) return `${named(told.map(({ name }) => name))} (${formatSize(sizeBytes)})`;
  const { name, label, state, region, pinCount } = first;
  const where = region === "" ? "" : ` in ${region}`;
  const pins = pinCount === 0 ? "" : `, pinned ${pinCount === 1 ? "once" : `${pinCount} times`}`;
  const quoted = label === "" ? "" : ` "${label}"`;
  return (
    `object ${shortName(name)}${quoted}, ${formatSize(sizeBytes)}: ` +
    `${enumName(Object_State, state)}${where}${pins}`
  );
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_MAX).map(shortName).join(", ");
  const more = names.length - NAMES_MAX;
  if (names.length === 1) return `object ${shown}`;
  return `${formatObjects(names.length)}: ${shown}${more > 0 ? ` and ${more} more` : ""}`;
}

type ContextState = Extract<Event["payload"], { $case: "contextCreated" }>["value"]["context"];

function context(state: ContextState): string {
  if (state === undefined) return "";
  const { name, engine, priority, hangs, banned } = state;
  const trouble = hangs === 0 ? "" : `, hangs: ${hangs}${banned ? ", banned" : ""}`;
  return `context ${shortName(name)} on ${engine}, ${enumName(Context_Priority, priority)}${trouble}`;
}

function ofContext(name: string): string {
  return name === "" ? "" : ` (context ${shortName(name)})`;
}

type EvictedBatch = Extract<Event["payload"], { $case: "evicted" }>["value"];

function evicted({ cause, path, objects: count, bytes }: EvictedBatch): string {
  return `${amount(count, bytes)} by ${path}, because of ${enumName(Evicted_Cause, cause)}`;
}

function amount(count: number, bytes: bigint): string {
  return `${formatObjects(count)}, ${formatSize(bytes)}`;
}
