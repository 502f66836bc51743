/**
 * What a device does where drivers differ (reference section 1.13). The defaults are those of drm/i915; the
 * page for operators is docs/policies.md.
 */
import type { SleepState } from "./resource.ts";

export interface PowerPolicy {
  /**
   * `opportunistic` evicts in `prepare` already, while swap may still make room, and forgives what does not
   * work (xe_pm_notifier). `off` leaves it to step 1.
   */
  readonly notifier: "off" | "opportunistic";
  /**
   * What becomes of calls during a transition that do not say: refused, or held until the device is ACTIVE
   * (xe).
   */
  readonly producers: "frozen" | "blocked";
  /**
   * `abort` recovers at the first failure. `continue` forgives failures of steps 1 and 2 and leaves their
   * objects to the next step; step 3 has no next, and aborts.
   */
  readonly failure: "abort" | "continue";
  /** Allocates backups of what is pinned in `prepare`, while swap may still make room for them (xe). */
  readonly preallocateBackups: boolean;
  /**
   * Whether step 1 leaves objects in use to step 2, or waits for their work as long as `idle` would (i915).
   */
  readonly step1: "idle_only" | "chain";
  /**
   * When the GT does not start: FAILED with late backups kept (6.12), or ACTIVE and wedged, all restored by
   * CPU (6.1).
   */
  readonly gtResumeFailure: "keep_backups" | "memcpy_restore";
  /** Whether S2idle is D3hot, or loses local memory as D3cold does. */
  readonly s2idleKeepsLmem: boolean;
  /** Sleep states whose steps 1 to 3 may swap. Every `prepare` may. */
  readonly swapAllowed: readonly SleepState[];
}

/** drm/i915, made to check the fence of every copy. */
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
