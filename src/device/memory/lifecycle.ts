/**
 * The backing states of an object, and which may follow which. Every change of state goes through
 * `changeState`.
 *
 *   UNPOPULATED -> RESIDENT (first use), PURGED (DONT_NEED before any use)
 *   RESIDENT    -> SWAPPED (shrinker), PURGED (DONT_NEED, evicted or shrunk), UNPOPULATED (VOLATILE, shrunk),
 *                  UNKNOWN (not what it was before a suspend)
 *   SWAPPED     -> RESIDENT (swap-in), PURGED (DONT_NEED), UNKNOWN (what came back is not what went out)
 *   PURGED, UNKNOWN: for ever
 */
import assert from "node:assert/strict";
import { PURGED, RESIDENT, SWAPPED, UNKNOWN, UNPOPULATED } from "../backing-state.ts";
import { DeviceError } from "../errors.ts";
import type { BackingState } from "../resource.ts";
import type { Memory } from "./memory.ts";

export const STATE_NAMES: readonly BackingState[] = [
  "UNPOPULATED",
  "RESIDENT",
  "SWAPPED",
  "PURGED",
  "UNKNOWN",
];

const EDGES: readonly (readonly number[])[] = [
  [RESIDENT, PURGED],
  [SWAPPED, PURGED, UNPOPULATED, RESIDENT, UNKNOWN],
  [RESIDENT, PURGED, UNKNOWN],
  [],
  [],
];

/** Changes the state of an object. An edge that is not in the table is a bug of ours. */
export function changeState(memory: Memory, slot: number, state: number): void {
  const from = memory.table.state[slot];
  assert(
    EDGES[from].includes(state),
    `an object does not go from ${STATE_NAMES[from]} to ${STATE_NAMES[state]}`,
  );
  memory.table.state[slot] = state;
  memory.touch(slot);
}

/** Gives a new object without bytes the state from its image: the only change without an edge. */
export function adoptState(memory: Memory, slot: number, state: number): void {
  assert(memory.table.state[slot] === UNPOPULATED, "only a new object is given a state");
  assert(state !== RESIDENT, "an object becomes RESIDENT with its bytes");
  memory.table.state[slot] = state;
}

/** @throws DeviceError OBJECT_PURGED (EFAULT) or CONTENT_UNKNOWN (EIO) if the content cannot be used. */
export function requireUsable(memory: Memory, slot: number): void {
  const { table } = memory;
  const id = memory.idOf(slot);
  if (table.state[slot] === UNKNOWN) {
    throw new DeviceError(
      "CONTENT_UNKNOWN",
      `The content of object ${id} was lost or cannot be vouched for.`,
      {
        object: id,
      },
    );
  }
  if (table.state[slot] === PURGED) {
    throw new DeviceError("OBJECT_PURGED", `Object ${id} was purged after DONT_NEED; its content is gone.`, {
      object: id,
    });
  }
  if (table.dontNeed[slot] === 1) {
    throw new DeviceError(
      "OBJECT_PURGED",
      `Object ${id} is marked DONT_NEED; advise WILL_NEED before it is used.`,
      {
        object: id,
      },
    );
  }
}
