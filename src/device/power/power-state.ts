/**
 * The power machine: which state follows which event. Every change of powerState goes through `nextState`.
 *
 *   ACTIVE      clients are served
 *   SUSPENDING  phases from `prepare` to `power_off`; ends SUSPENDED, ACTIVE after recover, or FAILED if its
 *               sealed image could not be abandoned
 *   SUSPENDED   local memory may be without power; only metadata is served
 *   RESUMING    phases from `image` or `power_on` to `release`
 *   FAILED      power is on and backups that were not restored are kept; Resume continues
 */
import { DeviceError } from "../errors.ts";
import type { DState, PowerState } from "../resource.ts";

export type PowerEvent =
  | "reset"
  | "suspend"
  | "suspended"
  | "recovered"
  | "resume"
  | "resumed"
  | "powerNotOn"
  | "imageRefused"
  | "failed";

const TABLE: Readonly<Record<PowerState, Partial<Record<PowerEvent, PowerState>>>> = {
  // An ACTIVE device can resume from an image that a client names. Runtime PM can fail while the state is
  // ACTIVE.
  ACTIVE: { suspend: "SUSPENDING", resume: "RESUMING", failed: "FAILED" },
  SUSPENDING: { suspended: "SUSPENDED", recovered: "ACTIVE", failed: "FAILED" },
  // Another suspend leads to a deeper state, or back to the same one.
  SUSPENDED: { suspend: "SUSPENDING", resume: "RESUMING", reset: "ACTIVE" },
  RESUMING: { resumed: "ACTIVE", powerNotOn: "SUSPENDED", imageRefused: "ACTIVE", failed: "FAILED" },
  FAILED: { resume: "RESUMING", reset: "ACTIVE" },
};

/** @throws DeviceError DEVICE_FAILED or DEVICE_SUSPENDED if the event is not legal in this state. */
export function nextState(state: PowerState, event: PowerEvent): PowerState {
  const next = TABLE[state][event];
  if (next !== undefined) return next;
  throw stateError(state, `the event ${event}`);
}

/**
 * The error for `what` in a state where it is not legal.
 * @param transition id of the running transition; empty if none runs
 */
export function stateError(state: PowerState, what: string, transition = ""): DeviceError {
  const metadata = { powerState: state, ...(transition === "" ? {} : { transition }) };
  switch (state) {
    case "FAILED":
      return new DeviceError(
        "DEVICE_FAILED",
        `The device is FAILED after a resume that did not end, which forbids ${what}; resume it again.`,
        metadata,
      );
    case "SUSPENDED":
      return new DeviceError(
        "DEVICE_SUSPENDED",
        `The device is suspended, which forbids ${what}; resume it first.`,
        metadata,
      );
    default:
      return new DeviceError(
        "DEVICE_TRANSITION",
        `The device is ${state}, which forbids ${what}; try again soon.`,
        metadata,
      );
  }
}

/** The error for `what` on a device that runtime PM could not wake. */
export function notWoken(
  { state, dState }: { readonly state: PowerState; readonly dState: DState },
  what: string,
  cause: DeviceError | undefined,
): DeviceError {
  const why = cause === undefined ? "" : ` (${cause.message.replace(/\.$/, "")})`;
  return new DeviceError(
    "DEVICE_FAILED",
    `The device could not be woken${why}, which forbids ${what}; resume it to try again.`,
    { powerState: state, dState, ...(cause === undefined ? {} : { cause: cause.reason }) },
  ).because(cause);
}
