/** Encodes events as messages. */

import { Event, Event_Type, Evicted_Cause } from "../../contract/gen/torpor/v1/event.ts";
import type { EvictionCause } from "../../device/events.ts";
import type { ObjectResource } from "../../device/resource.ts";
import { EVENT_EXTENTS_MAX, EVENT_OBJECTS_MAX } from "../limits.ts";
import { toTimestamp } from "../messages/convert.ts";
import { deviceName } from "../messages/resource-names.ts";
import type { ToldEvent } from "./event-log.ts";

export type Payload = NonNullable<Event["payload"]>;

const TYPES = {
  bookmark: Event_Type.BOOKMARK,
  streamRestarted: Event_Type.STREAM_RESTARTED,
  deviceChanged: Event_Type.DEVICE_CHANGED,
  transitionStarted: Event_Type.TRANSITION_STARTED,
  phaseEnded: Event_Type.PHASE_ENDED,
  transitionEnded: Event_Type.TRANSITION_ENDED,
  objectsCreated: Event_Type.OBJECTS_CREATED,
  objectsChanged: Event_Type.OBJECTS_CHANGED,
  objectsDeleted: Event_Type.OBJECTS_DELETED,
  contextCreated: Event_Type.CONTEXT_CREATED,
  contextChanged: Event_Type.CONTEXT_CHANGED,
  contextDeleted: Event_Type.CONTEXT_DELETED,
  engineReset: Event_Type.ENGINE_RESET,
  evicted: Event_Type.EVICTED,
  failpointHit: Event_Type.FAILPOINT_HIT,
  deviceRestored: Event_Type.DEVICE_RESTORED,
  imageSealed: Event_Type.IMAGE_SEALED,
  imageConsumed: Event_Type.IMAGE_CONSUMED,
} as const satisfies Record<Payload["$case"], Event_Type>;

export const CAUSES = {
  pressure: Evicted_Cause.PRESSURE,
  suspend: Evicted_Cause.SUSPEND,
  request: Evicted_Cause.REQUEST,
} as const satisfies Record<EvictionCause, Evicted_Cause>;

/** Identifies an event and says when it happened. */
export interface EventStamp {
  /** 0 for the present state. */
  readonly sequence: number;
  readonly wallNs: bigint;
}

/** Writes an event. @param device its name; empty in a bookmark */
export function makeEvent({ sequence, wallNs }: EventStamp, device: string, payload: Payload): ToldEvent {
  const type = TYPES[payload.$case];
  const event: Event = {
    sequence: BigInt(sequence),
    time: toTimestamp(wallNs),
    device: device === "" ? "" : deviceName(device),
    type,
    payload,
  };
  return { sequence, type, device, bytes: Event.encode(event).finish() };
}

/** Splits objects into groups that each fit into an event. */
export function* eventGroups(objects: readonly ObjectResource[]): Generator<readonly ObjectResource[]> {
  let start = 0;
  let extents = 0;
  for (const [at, object] of objects.entries()) {
    const full = at - start >= EVENT_OBJECTS_MAX || extents >= EVENT_EXTENTS_MAX;
    if (full && at > start) {
      yield objects.slice(start, at);
      start = at;
      extents = 0;
    }
    extents += object.extents.length;
  }
  if (start < objects.length) yield objects.slice(start);
}
