/** Turns a request into what a suspend does: its target and its policy. */
import type { Suspend } from "../command.ts";
import { DeviceError } from "../errors.ts";
import { IDLE_TIMEOUT_DEFAULT_MS, IDLE_TIMEOUT_MAX_MS } from "../limits.ts";
import type { PowerPolicy } from "../policy.ts";
import type { SuspendTarget } from "./parts.ts";
import type { RuntimeSleep } from "./runtime-pm.ts";

/** @throws DeviceError INVALID_REQUEST for a combination that no device supports. */
export function targetOf(command: Suspend, policy: PowerPolicy): SuspendTarget {
  const { state, hybrid = false, idleTimeoutMs = IDLE_TIMEOUT_DEFAULT_MS } = command;
  if (!(idleTimeoutMs >= 0 && idleTimeoutMs <= IDLE_TIMEOUT_MAX_MS)) {
    throw new DeviceError(
      "INVALID_REQUEST",
      `Idle timeout (${idleTimeoutMs} ms) is not between 0 and ${IDLE_TIMEOUT_MAX_MS} ms.`,
      { idleTimeoutMs: String(idleTimeoutMs), limitMs: String(IDLE_TIMEOUT_MAX_MS) },
    );
  }
  if (hybrid && state !== "S3") {
    throw new DeviceError(
      "INVALID_REQUEST",
      `Hybrid sleep is S3 with a hibernation image; it does not go with ${state}.`,
      { state },
    );
  }
  return {
    sleepState: state,
    dState: state === "S2IDLE" && policy.s2idleKeepsLmem ? "D3HOT" : "D3COLD",
    copies: true,
    image: hybrid || state === "S4",
    losesSystem: state === "S4",
    swaps: policy.swapAllowed.includes(state),
    idleTimeoutMs,
    onIdleTimeout: command.onIdleTimeout ?? "WEDGE",
    verify: command.verify === true,
    cause: command.cause ?? "client",
  };
}

/** The target of a device that suspends itself: work that still runs keeps it awake. */
export function runtimeTarget({ dState, verify }: RuntimeSleep): SuspendTarget {
  return {
    sleepState: undefined,
    dState,
    copies: dState === "D3COLD",
    image: false,
    losesSystem: false,
    // The host is not frozen, so memory may be swapped.
    swaps: true,
    idleTimeoutMs: IDLE_TIMEOUT_DEFAULT_MS,
    onIdleTimeout: "ABORT",
    // D3hot moves nothing, so there is nothing to compare.
    verify: verify && dState === "D3COLD",
    cause: "client",
  };
}
