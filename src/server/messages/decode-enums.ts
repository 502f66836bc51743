/** Decodes enums from the wire's numbers into the device's words. */

import { SleepState as SleepStateNumber } from "../../contract/gen/torpor/v1/common.ts";
import { Context_Priority } from "../../contract/gen/torpor/v1/context.ts";
import { ResetDeviceRequest_Scope } from "../../contract/gen/torpor/v1/device.ts";
import { Event_Type } from "../../contract/gen/torpor/v1/event.ts";
import { Failpoint_Action } from "../../contract/gen/torpor/v1/fault.ts";
import { Object_Advice, Object_Flag } from "../../contract/gen/torpor/v1/object.ts";
import { SuspendRequest_IdleTimeoutAction } from "../../contract/gen/torpor/v1/power.ts";
import type { FailpointAction } from "../../device/failpoints.ts";
import {
  type Advice,
  type ContextPriority,
  OBJECT_FLAGS,
  type ObjectFlag,
  type SleepState,
} from "../../device/resource.ts";
import { WireError } from "./wire-error.ts";

/** @throws WireError INVALID_REQUEST for a number that this version does not know */
export function sleepStateOf(value: SleepStateNumber): SleepState {
  switch (value) {
    case SleepStateNumber.UNSPECIFIED:
    case SleepStateNumber.S3:
      return "S3";
    case SleepStateNumber.S2IDLE:
      return "S2IDLE";
    case SleepStateNumber.S4:
      return "S4";
    default:
      throw unknownValue("state", value);
  }
}

/** @throws WireError INVALID_REQUEST for a number that this version does not know */
export function idleTimeoutActionOf(value: SuspendRequest_IdleTimeoutAction): "WEDGE" | "ABORT" {
  switch (value) {
    case SuspendRequest_IdleTimeoutAction.UNSPECIFIED:
    case SuspendRequest_IdleTimeoutAction.WEDGE:
      return "WEDGE";
    case SuspendRequest_IdleTimeoutAction.ABORT:
      return "ABORT";
    default:
      throw unknownValue("onIdleTimeout", value);
  }
}

/** @throws WireError INVALID_REQUEST for a number that this version does not know */
export function objectFlagOf(value: Object_Flag): ObjectFlag {
  const flag = OBJECT_FLAGS.find((candidate) => Object_Flag[candidate] === value);
  if (flag === undefined) throw unknownValue("flags", value);
  return flag;
}

/** @throws WireError INVALID_REQUEST if it is not set, or for a number that this version does not know */
export function adviceOf(value: Object_Advice): Advice {
  switch (value) {
    case Object_Advice.WILL_NEED:
      return "WILL_NEED";
    case Object_Advice.DONT_NEED:
      return "DONT_NEED";
    case Object_Advice.UNSPECIFIED:
      throw new WireError("INVALID_REQUEST", "The request gives no advice: WILL_NEED or DONT_NEED.", {
        field: "advice",
      });
    default:
      throw unknownValue("advice", value);
  }
}

/** @throws WireError INVALID_REQUEST for a number that this version does not know */
export function contextPriorityOf(value: Context_Priority): ContextPriority {
  switch (value) {
    case Context_Priority.UNSPECIFIED:
    case Context_Priority.NORMAL:
      return "NORMAL";
    case Context_Priority.LOW:
      return "LOW";
    case Context_Priority.HIGH:
      return "HIGH";
    default:
      throw unknownValue("priority", value);
  }
}

/** @throws WireError INVALID_REQUEST for a number that this version does not know */
export function resetScopeOf(value: ResetDeviceRequest_Scope): "GT" | "FACTORY" {
  switch (value) {
    case ResetDeviceRequest_Scope.UNSPECIFIED:
    case ResetDeviceRequest_Scope.GT:
      return "GT";
    case ResetDeviceRequest_Scope.FACTORY:
      return "FACTORY";
    default:
      throw unknownValue("scope", value);
  }
}

/** @throws WireError INVALID_REQUEST if it is not set, or for a number that this version does not know */
export function failpointActionOf(value: Failpoint_Action): FailpointAction {
  switch (value) {
    case Failpoint_Action.ERROR:
      return "ERROR";
    case Failpoint_Action.DELAY:
      return "DELAY";
    case Failpoint_Action.HANG:
      return "HANG";
    case Failpoint_Action.CRASH:
      return "CRASH";
    case Failpoint_Action.PAUSE:
      return "PAUSE";
    case Failpoint_Action.UNSPECIFIED:
      throw new WireError(
        "INVALID_REQUEST",
        "The request gives no action: ERROR, DELAY, HANG, CRASH or PAUSE.",
        { field: "action" },
      );
    default:
      throw unknownValue("action", value);
  }
}

/** @throws WireError INVALID_REQUEST if it is not set, or for a number that this version does not know */
export function eventTypeOf(value: Event_Type): Event_Type {
  if (value > 0 && Object.values(Event_Type).includes(value)) return value;
  throw unknownValue("types", value);
}

function unknownValue(field: string, value: number): WireError {
  return new WireError("INVALID_REQUEST", `Field ${field} has no value ${value}.`, { field });
}
