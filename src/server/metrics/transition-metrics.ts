/** Transitions and their phases: how many, how long, and why they failed. */
import { Counter, Histogram, type OpenMetricsContentType, type Registry } from "prom-client";
import type { ErrorReason } from "../../device/errors.ts";
import type { PhaseName, PhaseRecord, TransitionKind, TransitionResource } from "../../device/resource.ts";
import { OPERATION_BUCKETS_SECONDS, secondsOf } from "./seconds.ts";

/**
 * The target of a transition: the sleep state of a system transition, or the bus power state of a runtime
 * one.
 */
type Target = NonNullable<TransitionResource["sleepState"]> | TransitionResource["dState"];

interface KindLabels {
  readonly targets: readonly Target[];
  readonly phases: readonly PhaseName[];
  /** The usual reasons of failures. */
  readonly reasons: readonly ErrorReason[];
}

const SUSPEND_PHASES: readonly PhaseName[] = [
  "prepare",
  "evict",
  "idle",
  "evict_pinned",
  "memcpy",
  "firmware_stop",
  "power_off",
  "recover",
];

const RESUME_PHASES: readonly PhaseName[] = [
  "power_on",
  "restore_early",
  "firmware_start",
  "engine_start",
  "restore_late",
  "verify",
  "release",
];

const SUSPEND_REASONS = [
  "IDLE_TIMEOUT",
  "SYSTEM_MEMORY_EXHAUSTED",
  "MACHINE_MEMORY_EXHAUSTED",
  "COPY_FAILED",
  "INTERNAL",
] as const;

/** The labels of each kind. Others appear when they occur. */
const KINDS: Readonly<Record<TransitionKind, KindLabels>> = {
  SUSPEND: {
    targets: ["S2IDLE", "S3", "S4"],
    phases: [...SUSPEND_PHASES, "image"],
    reasons: [...SUSPEND_REASONS, "TRANSITION_CANCELLED", "IMAGE_STORE_FULL"],
  },
  RESUME: {
    targets: ["S2IDLE", "S3", "S4"],
    phases: [...RESUME_PHASES, "image"],
    reasons: ["FIRMWARE_LOAD_FAILED", "COPY_FAILED", "CHECKSUM_MISMATCH", "IMAGE_CORRUPT", "INTERNAL"],
  },
  RUNTIME_SUSPEND: { targets: ["D3HOT", "D3COLD"], phases: SUSPEND_PHASES, reasons: SUSPEND_REASONS },
  RUNTIME_RESUME: {
    targets: ["D0"],
    phases: RESUME_PHASES,
    reasons: ["FIRMWARE_LOAD_FAILED", "COPY_FAILED", "INTERNAL"],
  },
  RESTORE: {
    targets: ["D0"],
    phases: ["prepare", "idle", "discard", "rebuild", "content", "release"],
    reasons: ["IDLE_TIMEOUT", "MACHINE_MEMORY_EXHAUSTED", "COPY_FAILED", "INTERNAL"],
  },
};

export class TransitionMetrics {
  readonly #transitions;
  readonly #failures;
  readonly #recoveries;
  readonly #recoveryFailures;
  readonly #phaseSeconds;
  readonly #transitionDuration;
  readonly #phaseDuration;
  #hasDevices = false;

  constructor(registry: Registry<OpenMetricsContentType>) {
    const registers = [registry];
    this.#transitions = new Counter({
      name: "torpor_transitions_total",
      help: "Transitions that ended, however they ended.",
      labelNames: ["device", "kind", "target"],
      registers,
    });
    this.#failures = new Counter({
      name: "torpor_transition_failures_total",
      help: "Transitions that ended elsewhere than at their target, by the reason of their error.",
      labelNames: ["device", "kind", "target", "reason"],
      registers,
    });
    this.#recoveries = new Counter({
      name: "torpor_recoveries_total",
      help: "Failed or cancelled suspends that were undone.",
      labelNames: ["device"],
      registers,
    });
    this.#recoveryFailures = new Counter({
      name: "torpor_recovery_failures_total",
      help: "Failed or cancelled suspends that could not be undone.",
      labelNames: ["device"],
      registers,
    });
    this.#phaseSeconds = new Counter({
      name: "torpor_phase_seconds_total",
      help: "Time spent in each phase, per device.",
      labelNames: ["device", "kind", "phase"],
      registers,
    });
    // Histograms have no device label: with a hundred devices they would block the event loop for 120 ms at
    // each scrape. Their label names are any string, because otherwise prom-client's types would allow an
    // exemplar only those labels.
    this.#transitionDuration = new Histogram<string>({
      name: "torpor_transition_duration_seconds",
      help: "Duration of transitions, over all devices.",
      labelNames: ["kind", "target"],
      buckets: OPERATION_BUCKETS_SECONDS,
      enableExemplars: true,
      registers,
    });
    this.#phaseDuration = new Histogram<string>({
      name: "torpor_phase_duration_seconds",
      help: "Duration of the phases of transitions, over all devices.",
      labelNames: ["kind", "target", "phase"],
      buckets: OPERATION_BUCKETS_SECONDS,
      enableExemplars: true,
      registers,
    });
  }

  /**
   * Sets the counters of a device and the histogram of transitions to 0, so that the first suspend shows as
   * an increase. The histogram of phases gets its children when they are observed, because all of them would
   * be more lines than everything else together.
   */
  addDevice(device: string): void {
    const isFirst = !this.#hasDevices;
    this.#hasDevices = true;
    this.#recoveries.inc({ device }, 0);
    this.#recoveryFailures.inc({ device }, 0);
    for (const [name, { targets, phases, reasons }] of Object.entries(KINDS)) {
      const kind = name.toLowerCase();
      for (const phase of phases) this.#phaseSeconds.inc({ device, kind, phase }, 0);
      for (const target of targets) {
        if (isFirst) this.#transitionDuration.zero({ kind, target });
        this.#transitions.inc({ device, kind, target }, 0);
        for (const reason of reasons) this.#failures.inc({ device, kind, target, reason }, 0);
      }
    }
  }

  phaseEnded(device: string, transition: TransitionResource, { phase, durationNs }: PhaseRecord): void {
    const kind = transition.kind.toLowerCase();
    const seconds = secondsOf(durationNs);
    this.#phaseSeconds.inc({ device, kind, phase }, seconds);
    this.#phaseDuration.observe({
      labels: { kind, target: targetOf(transition), phase },
      value: seconds,
      exemplarLabels: exemplar(device, transition),
    });
  }

  ended(device: string, transition: TransitionResource): void {
    const kind = transition.kind.toLowerCase();
    const target = targetOf(transition);
    this.#transitions.inc({ device, kind, target });
    if (transition.state !== "SUCCEEDED") {
      this.#failures.inc({ device, kind, target, reason: transition.error?.reason ?? "INTERNAL" });
    }
    if (transition.endTimeNs === undefined) return;
    this.#transitionDuration.observe({
      labels: { kind, target },
      // These are wall times, and the wall clock may have been set back meanwhile.
      value: Math.max(0, secondsOf(transition.endTimeNs - transition.startTimeNs)),
      exemplarLabels: exemplar(device, transition),
    });
  }

  recovered(device: string, complete: boolean): void {
    if (complete) this.#recoveries.inc({ device });
    else this.#recoveryFailures.inc({ device });
  }
}

function targetOf({ sleepState, dState }: TransitionResource): Target {
  return sleepState ?? dState;
}

/** Points from a bucket to a transition that explains it. */
function exemplar(device: string, transition: TransitionResource) {
  return { transition: `devices/${device}/transitions/${transition.id}` };
}
