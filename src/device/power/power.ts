/**
 * Power: starts transitions, one at a time, sees each to its end, and keeps their history.
 */
import assert from "node:assert/strict";
import type { CancelTransition, ListTransitions, Resume, Suspend } from "../command.ts";
import { DeviceError, toDeviceError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import { IDLE_TIMEOUT_MAX_MS, PAGE_SIZE_MAX, TRANSITIONS_KEPT_MAX } from "../limits.ts";
import type {
  DState,
  PowerState,
  SleepState,
  SuspendPlan,
  TransitionKind,
  TransitionResource,
} from "../resource.ts";
import { planSuspend } from "./plan.ts";
import { nextState, type PowerEvent, stateError } from "./power-state.ts";
import { recoverRegions } from "./restore.ts";
import { type Parts, type Progress, runFactoryReset, runRecover, runResume, runSuspend } from "./sequence.ts";
import { Transition } from "./transition.ts";
import type { Checksums } from "./verify.ts";

export class Power {
  state: PowerState = "ACTIVE";
  dState: DState = "D0";
  sleepState: SleepState | undefined;
  stateSinceNs: bigint;
  suspendCount = 0;
  readonly #parts: Parts;
  readonly #emit: EventSink;
  /** Oldest first. */
  readonly #transitions: Transition[] = [];
  #nextId = 1;
  #running: Transition | undefined;
  #resetting = false;
  /** The transition that led to the present state. */
  #latest: Transition;
  #checksums: Checksums | undefined;

  constructor(parts: Parts, emit: EventSink) {
    this.#parts = parts;
    this.#emit = emit;
    this.stateSinceNs = parts.clock.wallNs();
    // Boot brought the device to ACTIVE: that is what a resume of a fresh device is answered with.
    this.#latest = new Transition({
      id: "0",
      kind: "RESUME",
      sleepState: "S3",
      dState: "D0",
      clock: parts.clock,
      emit: () => {},
    });
    this.#latest.end("SUCCEEDED");
  }

  get transitionRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Id of the running transition or of the last one; empty before the first. */
  get transitionId(): string {
    return this.#running?.id ?? this.#transitions.at(-1)?.id ?? "";
  }

  /** Answers what a suspend would do. @throws DeviceError what a suspend would be refused with in this state. */
  async plan(): Promise<SuspendPlan> {
    this.#refuseSecond();
    if (this.state !== "ACTIVE") throw stateError(this.state, "a plan of a suspend");
    const { memory, gt, rates } = this.#parts;
    return planSuspend(memory, gt, rates);
  }

  /** Starts a suspend and answers when it has ended or `waitMs` has passed. */
  async suspend(command: Suspend): Promise<TransitionResource> {
    const timeout = command.idleTimeoutMs;
    if (timeout !== undefined && !(timeout >= 0 && timeout <= IDLE_TIMEOUT_MAX_MS)) {
      throw new DeviceError(
        "INVALID_REQUEST",
        `Idle timeout (${timeout} ms) is not between 0 and ${IDLE_TIMEOUT_MAX_MS} ms.`,
      );
    }
    this.#refuseSecond();
    if (this.state === "SUSPENDED" && this.sleepState === command.state) return this.#latest.describe(true);
    if (this.state !== "ACTIVE") throw stateError(this.state, `a suspend to ${command.state}`);
    const transition = this.#begin("SUSPEND", command.state, "suspend");
    return this.#answer(transition, this.#suspend(transition, command), command.waitMs);
  }

  /** Starts a resume and answers when it has ended or `waitMs` has passed. */
  async resume(command: Resume): Promise<TransitionResource> {
    this.#refuseSecond();
    if (this.state === "ACTIVE") return this.#latest.describe(true);
    if (command.verify === true && this.#checksums === undefined) {
      throw new DeviceError(
        "INVALID_REQUEST",
        "The content cannot be verified, because the suspend was not told to take checksums.",
      );
    }
    const transition = this.#begin("RESUME", this.sleepState ?? "S3", "resume");
    return this.#answer(transition, this.#resume(transition), command.waitMs);
  }

  /** Stops a suspend and answers when it has been undone. @throws DeviceError TRANSITION_NOT_CANCELLABLE. */
  async cancel(command: CancelTransition): Promise<TransitionResource> {
    const transition = this.#find(command.transition);
    if (!transition.cancellable) {
      throw new DeviceError(
        "TRANSITION_NOT_CANCELLABLE",
        transition.state === "RUNNING"
          ? `Transition ${transition.id} can no longer be cancelled: it is a resume, or power_off has begun.`
          : `Transition ${transition.id} has ended (${transition.state}).`,
        { transition: transition.id },
      );
    }
    transition.requestCancel();
    await transition.ended(undefined);
    return transition.describe();
  }

  /** A full reset of the GT: what runs fails, wedged is cleared. Legal while ACTIVE. */
  async resetGt(): Promise<void> {
    this.#refuseSecond();
    if (this.state !== "ACTIVE") throw stateError(this.state, "a reset of the GT");
    await this.#whileResetting(() => this.#parts.gt.reset());
  }

  /** Makes the device as new, from any state: waits for a running transition to end, then drops everything. */
  async resetFactory(): Promise<void> {
    if (this.#resetting) throw resetInProgress();
    await this.#whileResetting(async () => {
      this.#running?.requestCancel();
      await this.#running?.ended(undefined);
      const { gate } = this.#parts;
      gate.close(() => stateError("SUSPENDING", "this call"));
      try {
        await runFactoryReset(this.#parts);
        this.#checksums = undefined;
        this.sleepState = undefined;
        this.suspendCount = 0;
        if (this.state !== "ACTIVE") this.#enter("reset", "D0");
      } finally {
        if (this.state === "ACTIVE") gate.open();
      }
    });
  }

  /** No transition begins and no other reset while one is in progress. */
  async #whileResetting(reset: () => Promise<void>): Promise<void> {
    this.#resetting = true;
    try {
      await reset();
    } finally {
      this.#resetting = false;
    }
  }

  /** @throws DeviceError TRANSITION_NOT_FOUND. */
  get(id: string): TransitionResource {
    return this.#find(id).describe();
  }

  /** Newest first. */
  list(command: ListTransitions): { transitions: readonly TransitionResource[]; nextBeforeId: string } {
    if (!Number.isInteger(command.limit) || command.limit < 1 || command.limit > PAGE_SIZE_MAX) {
      throw new DeviceError(
        "INVALID_REQUEST",
        `A page of ${command.limit} transitions is not between 1 and ${PAGE_SIZE_MAX}.`,
      );
    }
    const before = command.beforeId === "" ? Number.POSITIVE_INFINITY : Number(command.beforeId);
    const older = this.#transitions.filter((transition) => Number(transition.id) < before).toReversed();
    const transitions = older.slice(0, command.limit).map((transition) => transition.describe());
    const more = older.length > command.limit;
    return { transitions, nextBeforeId: more ? (transitions.at(-1)?.id ?? "") : "" };
  }

  async #suspend(transition: Transition, command: Suspend): Promise<void> {
    const { gt, gate } = this.#parts;
    const progress: Progress = { firmwareStopped: false, powerOffBegun: false, checksums: undefined };
    try {
      gate.close(() => stateError(this.state, "this call"));
      await runSuspend(this.#parts, transition, command, progress);
      this.suspendCount++;
      this.#checksums = progress.checksums;
      transition.wedged = gt.wedged;
      this.#enter("suspended", transition.dState);
      this.#finish(transition, "SUCCEEDED");
    } catch (error) {
      // Past this point the backups are the only copy: recover would throw them away.
      assert(!progress.powerOffBegun, `power_off cannot fail, but did: ${String(error)}`);
      const failure = toDeviceError(error);
      transition.cancellable = false;
      await this.#recover(transition, progress);
      transition.wedged = gt.wedged;
      this.#enter("recovered", "D0");
      this.sleepState = undefined;
      this.#finish(transition, failure.reason === "TRANSITION_CANCELLED" ? "CANCELLED" : "FAILED", failure);
      gate.open();
    }
  }

  async #recover(transition: Transition, progress: Progress): Promise<void> {
    try {
      await runRecover(this.#parts, transition, progress);
      transition.recovered = true;
    } catch {
      // The bytes are safe: backups go whatever happens. What did not come back is the GT, and it is wedged.
      await recoverRegions(this.#parts.memory, true);
      await this.#parts.gt.setWedged("it did not start again after an aborted suspend");
    }
    this.#emit({ type: "recovered", complete: transition.recovered });
  }

  async #resume(transition: Transition): Promise<void> {
    const progress = { powerOn: false, compared: false };
    try {
      await runResume(this.#parts, transition, this.#checksums, progress);
      this.#checksums = undefined;
      transition.wedged = this.#parts.gt.wedged;
      this.#enter("resumed", "D0");
      this.sleepState = undefined;
      this.#finish(transition, "SUCCEEDED");
      this.#parts.gate.open();
    } catch (error) {
      const failure = toDeviceError(error);
      // What was compared once and found wrong does not become right: the next resume does not compare again.
      if (progress.compared) this.#checksums = undefined;
      transition.wedged = this.#parts.gt.wedged;
      if (progress.powerOn) this.#enter("failed", "D0");
      else this.#enter("powerNotOn", this.dState);
      this.#finish(transition, "FAILED", failure);
    }
  }

  #begin(kind: TransitionKind, sleepState: SleepState, event: PowerEvent): Transition {
    const { clock } = this.#parts;
    const id = String(this.#nextId++);
    const dState = kind === "RESUME" ? "D0" : dStateOf(sleepState);
    const transition = new Transition({ id, kind, sleepState, dState, clock, emit: this.#emit });
    this.#transitions.push(transition);
    if (this.#transitions.length > TRANSITIONS_KEPT_MAX) this.#transitions.shift();
    this.#running = transition;
    this.sleepState = sleepState;
    this.#enter(event, this.dState);
    this.#emit({ type: "transitionStarted", transition: transition.describe() });
    return transition;
  }

  #finish(transition: Transition, state: "SUCCEEDED" | "FAILED" | "CANCELLED", error?: DeviceError): void {
    this.#running = undefined;
    this.#latest = transition;
    transition.end(state, error);
  }

  #enter(event: PowerEvent, dState: DState): void {
    this.state = nextState(this.state, event);
    this.dState = dState;
    this.stateSinceNs = this.#parts.clock.wallNs();
    this.#emit({ type: "powerState", state: this.state, dState });
  }

  async #answer(
    transition: Transition,
    run: Promise<void>,
    waitMs: number | undefined,
  ): Promise<TransitionResource> {
    // The run never rejects: whatever stops it is the transition's error. A bug of ours must still be seen.
    run.catch((error: unknown) =>
      queueMicrotask(() => {
        throw error;
      }),
    );
    await transition.ended(waitMs);
    if (transition.error !== undefined) throw transition.error;
    return transition.describe();
  }

  #refuseSecond(): void {
    if (this.#resetting) throw resetInProgress();
    if (this.#running === undefined) return;
    throw new DeviceError(
      "TRANSITION_IN_PROGRESS",
      `Transition ${this.#running.id} (${this.#running.kind}) is running; wait for its end or cancel it.`,
      { transition: this.#running.id },
    );
  }

  #find(id: string): Transition {
    const transition = [this.#latest, ...this.#transitions].find((each) => each.id === id);
    if (transition !== undefined) return transition;
    throw new DeviceError("TRANSITION_NOT_FOUND", `Transition ${id} does not exist, or no longer.`, {
      transition: id,
    });
  }
}

function resetInProgress(): DeviceError {
  return new DeviceError(
    "TRANSITION_IN_PROGRESS",
    "The device is being reset; try again when that has ended.",
  );
}

/** S2idle keeps local memory by default, the others lose it. */
function dStateOf(sleepState: SleepState): DState {
  return sleepState === "S2IDLE" ? "D3HOT" : "D3COLD";
}
