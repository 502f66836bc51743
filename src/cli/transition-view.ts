/** Shows transitions: what each phase did. */
import {
  DState,
  SleepState,
  type Transition,
  Transition_Kind,
  Transition_State,
  type TransitionPhase,
  toMs,
} from "../client/mod.ts";
import { enumName } from "./enums.ts";
import { shortName } from "./names.ts";
import { formatMs, formatObjects, formatSize } from "./quantities.ts";
import { type Column, formatFields, formatTable } from "./text-table.ts";
import { formatDuration, formatTime } from "./times.ts";

/** The view of `transition get`, `suspend` and `resume`. */
export function formatTransition(transition: Transition): string {
  const { error, phases } = transition;
  const fields = formatFields([
    ["Name", shortName(transition.name)],
    ["Kind", enumName(Transition_Kind, transition.kind)],
    ["Sleep state", enumName(SleepState, transition.sleepState)],
    ["D-state", enumName(DState, transition.dState)],
    ["State", stateOf(transition)],
    ["Began", formatTime(transition.startTime)],
    ["Took", tookOf(transition)],
    ["Evicted", share(transition.evictedObjects, transition.evictedBytes)],
    ["Backed up", share(transition.backupObjects, transition.backupBytes)],
    ["Restored", share(transition.restoredObjects, transition.restoredBytes)],
    ["Wedged", transition.wedged ? "yes" : ""],
    ["Recovered", transition.recovered ? "yes: active, every byte as before" : ""],
    ["Error", error === undefined ? "" : `${error.message} (${error.reason})`],
  ]);
  return phases.length === 0 ? fields : `${fields}\n${formatPhases(phases)}`;
}

/** The view of `transition list`. */
export function formatTransitions(transitions: readonly Transition[]): string {
  return formatTable(COLUMNS, transitions);
}

/** The phases as a table. */
export function formatPhases(phases: readonly TransitionPhase[]): string {
  return formatTable(PHASE_COLUMNS, phases);
}

/** Bytes that a transition has moved so far. */
export function movedBytes({ phases }: Transition): number {
  return phases.reduce((sum, { bytes }) => sum + Number(bytes), 0);
}

function stateOf({ state, alreadyInState }: Transition): string {
  const name = enumName(Transition_State, state);
  return alreadyInState ? `${name} (already there: nothing ran)` : name;
}

function tookOf({ startTime, endTime }: Transition): string {
  if (startTime === undefined || endTime === undefined) return "";
  return formatMs(toMs(endTime) - toMs(startTime));
}

function share(objects: number, bytes: bigint): string {
  return objects === 0 ? "" : `${formatObjects(objects)}, ${formatSize(bytes)}`;
}

const COLUMNS: readonly Column<Transition>[] = [
  { head: "id", align: "right", cell: ({ name }) => shortName(name) },
  { head: "kind", cell: ({ kind }) => enumName(Transition_Kind, kind) },
  { head: "sleep", cell: ({ sleepState }) => enumName(SleepState, sleepState) },
  { head: "state", cell: ({ state }) => enumName(Transition_State, state) },
  { head: "began", cell: ({ startTime }) => formatTime(startTime) },
  { head: "took", align: "right", cell: (transition) => tookOf(transition) || "-" },
  { head: "moved", align: "right", cell: (transition) => formatSize(movedBytes(transition)) },
  { head: "error", cell: ({ error }) => error?.reason ?? "" },
];

const PHASE_COLUMNS: readonly Column<TransitionPhase>[] = [
  { head: "phase", cell: ({ phase }) => phase },
  { head: "took", align: "right", cell: ({ duration }) => formatDuration(duration) },
  { head: "objects", align: "right", cell: ({ objects }) => objects },
  { head: "bytes", align: "right", cell: ({ bytes }) => formatSize(bytes) },
  { head: "blitter", align: "right", cell: ({ blitterBytes }) => formatSize(blitterBytes) },
  { head: "memcpy", align: "right", cell: ({ memcpyBytes }) => formatSize(memcpyBytes) },
];
