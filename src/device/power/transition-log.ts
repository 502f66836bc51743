/** The transitions of a device: the running one, the one that led to the present state, and the history. */
import type { CancelTransition, ListTransitions } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { DeviceEvent } from "../events.ts";
import type { EnergyMeter } from "../hardware/energy-meter.ts";
import {
  PAGE_SIZE_MAX,
  RUNTIME_TRANSITIONS_KEPT_MAX,
  TRACES_KEPT_MAX,
  TRANSITION_END_WAIT_MS,
  TRANSITIONS_KEPT_MAX,
} from "../limits.ts";
import type { Listeners } from "../listeners.ts";
import type { Memory } from "../memory/memory.ts";
import type { DState, SleepState, TransitionKind, TransitionResource } from "../resource.ts";
import type { DeviceServices } from "../services.ts";
import { Transition } from "./transition.ts";

export interface TransitionLogOptions {
  readonly memory: Memory;
  /** Events of the device as they happen, for traces. */
  readonly events: Listeners<[event: DeviceEvent]>;
  readonly services: DeviceServices;
  readonly meter: EnergyMeter | undefined;
}

/** The facts about a transition before it begins. */
export interface TransitionStart {
  readonly kind: TransitionKind;
  /** Undefined for runtime PM. */
  readonly sleepState: SleepState | undefined;
  readonly dState: DState;
}

/** The boot that brought the device to ACTIVE. It is the answer to a resume of a fresh device. */
const BOOTED_ACTIVE: TransitionStart = { kind: "RESUME", sleepState: "S3", dState: "D0" };

export class TransitionLog {
  /** Oldest first. */
  readonly #transitions: Transition[] = [];
  readonly #options: TransitionLogOptions;
  /** Number of the next transition. */
  nextId = 1;
  #running: Transition | undefined;
  #latest: Transition;

  constructor(options: TransitionLogOptions) {
    this.#options = options;
    this.#latest = this.#atBoot(BOOTED_ACTIVE);
  }

  /** Stops a suspend and returns when it has been undone. @throws DeviceError TRANSITION_NOT_CANCELLABLE. */
  async cancel(command: CancelTransition): Promise<TransitionResource> {
    const transition = this.find(command.transition);
    if (!transition.cancellable) {
      throw new DeviceError(
        "TRANSITION_NOT_CANCELLABLE",
        transition.state === "RUNNING"
          ? `Transition ${transition.id} can no longer be cancelled: it is a resume or a restore, or ` +
              `power_off has begun.`
          : `Transition ${transition.id} has ended (${transition.state}).`,
        { transition: transition.id },
      );
    }
    transition.requestCancel();
    await transition.ended(TRANSITION_END_WAIT_MS);
    return transition.describe();
  }

  get running(): Transition | undefined {
    return this.#running;
  }

  /** The transition that led to the present state. A failed transition leads nowhere. */
  get latest(): Transition {
    return this.#latest;
  }

  /** Id of the running transition or of the last one; empty before the first. */
  get lastId(): string {
    return this.#transitions.at(-1)?.id ?? "";
  }

  /** The device boots suspended. This is the answer to a suspend to the same state. */
  bootedSuspended(sleepState: SleepState): void {
    this.#latest = this.#atBoot({ kind: "SUSPEND", sleepState, dState: "D3COLD" });
  }

  /** The device is as new, so no earlier transition led to its state. */
  madeNew(): void {
    this.#latest = this.#atBoot(BOOTED_ACTIVE);
  }

  /** Begins a transition. Legal when none is running. */
  begin(start: TransitionStart): Transition {
    const { memory, events, services, meter } = this.#options;
    const { clock, emit } = services;
    const transition = new Transition({ ...start, id: String(this.nextId++), clock, emit, meter });
    this.#transitions.push(transition);
    this.#forgetOldest(isOfRuntimePm(start.kind));
    this.#transitions.at(-1 - TRACES_KEPT_MAX)?.trace.forgetCopies();
    transition.trace.attach(memory.copies, events);
    // Work that waits at a failpoint is woken by a cancel at once, and sees it at its next step.
    transition.onCancel(() => services.failpoints.letGo());
    this.#running = transition;
    emit({ type: "transitionStarted", transition: transition.describe() });
    return transition;
  }

  /** Runtime PM makes many transitions. They push out none that a client asked for. */
  #forgetOldest(ofRuntimePm: boolean): void {
    const alike = this.#transitions.filter(({ kind }) => isOfRuntimePm(kind) === ofRuntimePm);
    const max = ofRuntimePm ? RUNTIME_TRANSITIONS_KEPT_MAX : TRANSITIONS_KEPT_MAX;
    if (alike.length > max) this.#transitions.splice(this.#transitions.indexOf(alike[0]), 1);
  }

  /** Ends the running transition; without a failure it succeeded. */
  finish(transition: Transition, failure: DeviceError | undefined): void {
    this.#running = undefined;
    if (failure !== undefined) {
      transition.end(failure.reason === "TRANSITION_CANCELLED" ? "CANCELLED" : "FAILED", failure);
      return;
    }
    // Runtime PM leads to no state that a client could ask for.
    if (transition.kind === "SUSPEND" || transition.kind === "RESUME") this.#latest = transition;
    transition.end("SUCCEEDED");
  }

  /** @throws DeviceError TRANSITION_NOT_FOUND. */
  find(id: string): Transition {
    if (id === this.#latest.id) return this.#latest;
    const transition = this.#transitions.findLast((each) => each.id === id);
    if (transition !== undefined) return transition;
    throw new DeviceError("TRANSITION_NOT_FOUND", `Transition ${id} does not exist, or no longer.`, {
      transition: id,
    });
  }

  /** Newest first. */
  list(command: ListTransitions): {
    readonly transitions: readonly TransitionResource[];
    readonly nextBeforeId: string;
  } {
    if (!Number.isInteger(command.limit) || command.limit < 1 || command.limit > PAGE_SIZE_MAX) {
      throw new DeviceError(
        "INVALID_REQUEST",
        `A page of ${command.limit} transitions is not between 1 and ${PAGE_SIZE_MAX}.`,
        { pageSize: String(command.limit), limit: String(PAGE_SIZE_MAX) },
      );
    }
    const before = Number(command.beforeId);
    const end =
      command.beforeId === ""
        ? this.#transitions.length
        : this.#transitions.findLastIndex((transition) => Number(transition.id) < before) + 1;
    const start = Math.max(0, end - command.limit);
    const page = this.#transitions.slice(start, end).toReversed();
    const transitions = page.map((transition) => transition.describe());
    return { transitions, nextBeforeId: start > 0 ? (transitions.at(-1)?.id ?? "") : "" };
  }

  /**
   * The boot as a transition. It is not in the history, but it is the answer to calls that change nothing.
   */
  #atBoot(start: TransitionStart): Transition {
    const transition = new Transition({
      ...start,
      id: "0",
      clock: this.#options.services.clock,
      emit: () => {},
      meter: this.#options.meter,
    });
    transition.end("SUCCEEDED");
    return transition;
  }
}

/** The refusal of a second transition, which names the running one. */
export function inProgress(running: Transition): DeviceError {
  return new DeviceError(
    "TRANSITION_IN_PROGRESS",
    `Transition ${running.id} (${running.kind}) is running; wait for its end or cancel it.`,
    { transition: running.id },
  );
}

function isOfRuntimePm(kind: TransitionKind): boolean {
  return kind === "RUNTIME_SUSPEND" || kind === "RUNTIME_RESUME";
}
