/**
 * What a device does where drivers differ. The defaults are those of drm/i915. docs/policies.md describes
 * them for operators.
 */
import type { SleepState } from "./resource.ts";

export interface PowerPolicy {
  /**
   * `opportunistic` evicts already in `prepare`, while swap can still make room, and ignores failures
   * (xe_pm_notifier). `off` leaves all eviction to step 1.
   */
  readonly notifier: "off" | "opportunistic";
  /**
   * What happens during a transition to calls that do not say: refuse them, or hold them until the device is
   * ACTIVE (xe).
   */
  readonly producers: "frozen" | "blocked";
  /**
   * `abort` recovers at the first failure. `continue` ignores failures of steps 1 and 2 and leaves their
   * objects to the next step. Step 3 has no next step, so it aborts.
   */
  readonly failure: "abort" | "continue";
  /** Allocates backups of pinned objects in `prepare`, while swap can still make room for them (xe). */
  readonly preallocateBackups: boolean;
  /**
   * Whether step 1 leaves objects in use to step 2, or waits for their work as long as `idle` would (i915).
   */
  readonly step1: "idle_only" | "chain";
  /**
   * If the GT does not start: FAILED with late backups kept, or ACTIVE and wedged with everything restored by
   * CPU.
   */
  readonly gtResumeFailure: "keep_backups" | "memcpy_restore";
  /** Whether S2idle is D3hot, or loses local memory like D3cold. */
  readonly s2idleKeepsLmem: boolean;
  /** Sleep states in which steps 1 to 3 may swap. Every `prepare` may. */
  readonly swapAllowed: readonly SleepState[];
}

/** The defaults of drm/i915, except that the fence of every copy is checked. */
export const DEFAULT_POLICY: PowerPolicy = {
  notifier: "off",
  producers: "frozen",
  failure: "abort",
  preallocateBackups: false,
  step1: "idle_only",
  gtResumeFailure: "keep_backups",
  s2idleKeepsLmem: true,
  swapAllowed: ["S4"],
};
