/** Transitions and their phases: how many, how long, and why they failed. */
import { Counter, Histogram, type OpenMetricsContentType, type Registry } from "prom-client";
import type { ErrorReason } from "../../device/errors.ts";
import type {
  PhaseName,
  PhaseRecord,
  SleepState,
  TransitionKind,
  TransitionResource,
} from "../../device/resource.ts";
import { OPERATION_BUCKETS_SECONDS, secondsOf } from "./seconds.ts";

const TARGETS: readonly SleepState[] = ["S2IDLE", "S3"];

/** The phases of each kind, and the reasons for which it usually fails; others appear when they occur. */
const KINDS: Readonly<
  Record<TransitionKind, { readonly phases: readonly PhaseName[]; readonly reasons: readonly ErrorReason[] }>
> = {
  SUSPEND: {
    phases: ["prepare", "evict", "idle", "evict_pinned", "memcpy", "firmware_stop", "power_off", "recover"],
    reasons: ["TRANSITION_CANCELLED", "IDLE_TIMEOUT", "SYSTEM_MEMORY_EXHAUSTED", "COPY_FAILED", "INTERNAL"],
  },
  RESUME: {
    phases: [
      "power_on",
      "restore_early",
      "firmware_start",
      "engine_start",
      "restore_late",
      "verify",
      "release",
    ],
    reasons: ["FIRMWARE_LOAD_FAILED", "COPY_FAILED", "CHECKSUM_MISMATCH", "INTERNAL"],
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
    // Histograms have no device label: a hundred devices would block the event loop for 120 ms at each scrape.
    // Their label names are any string, because prom-client's types allow an exemplar no labels but those.
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

  /** Puts the counters of a device at 0. The histograms get their children when something is observed. */
  addDevice(device: string): void {
    this.#recoveries.inc({ device }, 0);
    this.#recoveryFailures.inc({ device }, 0);
    for (const [name, { phases, reasons }] of Object.entries(KINDS)) {
      const kind = name.toLowerCase();
      for (const phase of phases) this.#phaseSeconds.inc({ device, kind, phase }, 0);
      for (const target of TARGETS) {
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
      labels: { kind, target: transition.sleepState, phase },
      value: seconds,
      exemplarLabels: exemplar(device, transition),
    });
  }

  ended(device: string, transition: TransitionResource): void {
    const kind = transition.kind.toLowerCase();
    const target = transition.sleepState;
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

/** Points from a bucket to the transition to look at. */
function exemplar(device: string, transition: TransitionResource) {
  return { transition: `devices/${device}/transitions/${transition.id}` };
}
