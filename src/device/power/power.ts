/**
 * Power: starts transitions, one at a time, and brings each to its end. suspend-sequence.ts and
 * resume-sequence.ts have the phases.
 */
import type { PlanSuspend, Resume, Suspend } from "../command.ts";
import type { DeviceError } from "../errors.ts";
import { deviceLost } from "../hardware/link.ts";
import type { ImageDevice } from "../image/image-model.ts";
import { TRANSITION_END_WAIT_MS } from "../limits.ts";
import type {
  DeviceResource,
  DState,
  PowerState,
  SleepState,
  SuspendPlan,
  TransitionResource,
} from "../resource.ts";
import { answer, rethrow } from "./answer.ts";
import { canDeepen, deepen, isAsleepAs, planDeepen } from "./deepen.ts";
import { runFactoryReset } from "./factory-reset.ts";
import type { SealedImage } from "./holding.ts";
import { requireRules } from "./image/compatibility.ts";
import { type ResumeOutcome, resumeOrKeep, suspendOrRecover } from "./outcome.ts";
import type { Parts, SuspendTarget } from "./parts.ts";
import { planSuspend, withStore } from "./plan.ts";
import { nextState, notWoken, type PowerEvent, stateError } from "./power-state.ts";
import { rehearseResume, rehearseSuspend } from "./rehearsal.ts";
import { ResetTurn } from "./reset-turn.ts";
import { claimImage, requireChecksums, type Wanted } from "./resume-claim.ts";
import type { ResumeSource } from "./resume-sequence.ts";
import { RuntimePm, type RuntimeSleep } from "./runtime-pm.ts";
import type { RuntimePmSettings } from "./runtime-pm-settings.ts";
import { Snapshots } from "./snapshot/snapshots.ts";
import { runtimeTarget, targetOf } from "./targets.ts";
import type { Transition } from "./transition.ts";
import { inProgress, TransitionLog } from "./transition-log.ts";
import { Turn } from "./turn.ts";
import type { Checksums } from "./verify.ts";

export class Power {
  state: PowerState = "ACTIVE";
  dState: DState = "D0";
  sleepState: SleepState | undefined;
  stateSinceNs: bigint;
  suspendCount = 0;
  readonly runtime: RuntimePm;
  readonly snapshots: Snapshots;
  readonly #parts: Parts;
  /** The running transition and the history. */
  readonly transitions: TransitionLog;
  readonly #reset = new ResetTurn();
  /** The resume that is claiming its image. Every other request waits until it has begun or was refused. */
  readonly claims = new Turn();
  /** Those of the sleep that the device is in. */
  checksums: Checksums | undefined;

  /** @throws DeviceError INVALID_REQUEST for invalid settings of runtime PM. */
  constructor(parts: Parts, runtimePm: RuntimePmSettings | undefined) {
    this.#parts = parts;
    this.stateSinceNs = parts.services.clock.wallNs();
    this.transitions = new TransitionLog(parts);
    const { memory, gt, gate } = parts;
    this.runtime = new RuntimePm({
      settings: runtimePm,
      memory,
      gt,
      gate,
      clock: parts.services.clock,
      maySuspend: () =>
        this.state === "ACTIVE" &&
        this.transitions.running === undefined &&
        !this.#reset.running &&
        !this.claims.running &&
        !gt.wedged,
      suspend: (how) => this.#runtimeSuspend(how),
      cancelSuspend: () => this.transitions.running?.requestCancel(),
      resetEnded: () => this.#reset.ended,
      resume: () => this.#runtimeResume(),
    });
    this.snapshots = new Snapshots(parts, {
      settings: this.runtime,
      transitions: this.transitions,
      requireAwake: (what) => this.#requireAwake(what),
      alone: (work) => this.#reset.run("saved as a snapshot", work),
      refusal: () => this.#stateError(this.state, "this call"),
      enter: (event) => {
        this.enter(event, "D0");
        this.#noteLost();
        return this.state;
      },
    });
  }

  /** Boots suspended to S4 with this image. Part of boot, before the engines are started. */
  beginSuspended(sealed: SealedImage): void {
    this.#parts.hibernation.beginWith(sealed);
    this.transitions.nextId = Math.max(this.transitions.nextId, sealed.nextTransitionId);
    this.#parts.gate.close(() => this.#stateError(this.state, "this call"));
    this.sleepState = "S4";
    this.transitions.bootedSuspended("S4");
    this.enter("suspend", "D0");
    this.enter("suspended", "D3COLD");
  }

  /** The device has adopted an image. Power's counters continue from it. */
  adopt(device: ImageDevice, checksums: Checksums | undefined): void {
    // The suspend that wrote the image was counted only after it.
    this.suspendCount = device.suspendCount + 1;
    this.transitions.nextId = Math.max(this.transitions.nextId, device.nextTransitionId);
    this.checksums = checksums;
  }

  /**
   * Returns what a suspend would do.
   * @throws DeviceError the refusal that a suspend would get in this state.
   */
  async plan({ state = "S3", ...command }: PlanSuspend): Promise<SuspendPlan> {
    const target = targetOf({ ...command, type: "suspend", state }, this.#parts.policy);
    if (target.image) this.#parts.hibernation.requireStore();
    await this.#wake();
    const deepens = this.state === "SUSPENDED" && canDeepen(this.sleepState, target);
    if (!deepens) this.#requireFree("a plan of a suspend");
    const plan = await (deepens ? planDeepen(this.#parts, target) : planSuspend({ ...this.#parts, target }));
    return target.image ? withStore(plan, this.#parts.hibernation) : plan;
  }

  /** Starts a suspend and returns when it has ended or `waitMs` has passed. */
  async suspend(command: Suspend): Promise<TransitionResource> {
    const target = targetOf(command, this.#parts.policy);
    if (target.image) this.#parts.hibernation.requireStore();
    if (this.claims.running) await this.claims.ended;
    this.refuseSecond();
    if (this.state === "SUSPENDED") {
      if (isAsleepAs(this.#parts, this.sleepState, target)) return this.transitions.latest.describe(true);
      if (canDeepen(this.sleepState, target)) return deepen(this.#parts, this, { command, target });
    }
    // A device that is awake closes its gate at once, so later commands wait for the suspend to end.
    if (this.runtime.status !== "ACTIVE") await this.#wake();
    this.#requireFree(`a suspend to ${command.state}`);
    if (command.validateOnly === true) return rehearseSuspend(this.#parts, target);
    const transition = this.transitions.begin({ ...target, kind: "SUSPEND" });
    this.sleepState = target.sleepState;
    this.enter("suspend", this.dState);
    return answer(transition, this.#suspend(transition, target), command.waitMs);
  }

  /** Starts a resume and returns when it has ended or `waitMs` has passed. */
  async resume(command: Resume): Promise<TransitionResource> {
    const { hibernation } = this.#parts;
    const { image = "", allowDifferences = [] } = command;
    requireRules(allowDifferences);
    const given = image === hibernation.image ? "" : image;
    if (given !== "") await hibernation.requireClaimable(given);
    this.refuseSecond();
    if (image === "" && this.state === "ACTIVE") return this.#tryAgain();
    await this.#wake();
    if (given !== "") hibernation.requireEmptyDevice(given, this.state);
    requireChecksums(this.#parts, command, this.checksums !== undefined || this.state === "ACTIVE");
    const wanted = { given, allowDifferences };
    if (command.validateOnly === true) return rehearseResume(this.#parts, this.sleepState ?? "S4", wanted);
    const begun = await this.claims.run(() => this.#beginResume(wanted));
    return answer(begun.transition, begun.run, command.waitMs);
  }

  /**
   * An ACTIVE device has nothing to resume from. If runtime PM could not wake it, this tries again.
   * @throws DeviceError why it still cannot
   */
  async #tryAgain(): Promise<TransitionResource> {
    if (this.runtime.wakeError === undefined) return this.transitions.latest.describe(true);
    const failure = await this.runtime.wake();
    if (failure !== undefined) throw failure;
    return this.transitions.latest.describe();
  }

  /** Claims the image and begins its resume. */
  async #beginResume(wanted: Wanted) {
    const { hibernation, gate } = this.#parts;
    const { given, allowDifferences } = wanted;
    this.refuseSecond();
    await claimImage(this.#parts, wanted, () => {
      this.#requireFree("a resume from an image");
      hibernation.requireEmptyDevice(given, this.state);
      gate.close(() => this.#stateError(this.state, "this call"));
    });
    // Transition numbers continue from the image, and each failed resume keeps a number of its own.
    this.transitions.nextId = Math.max(this.transitions.nextId, hibernation.transitionIdMin);
    if (given !== "") this.sleepState = "S4";
    const transition = this.transitions.begin({ kind: "RESUME", sleepState: this.sleepState, dState: "D0" });
    this.enter("resume", this.dState);
    const source = { kept: false, allowDifferences, checksums: () => this.checksums };
    return { transition, run: this.#resume(transition, source, given !== "") };
  }

  /**
   * Resets the whole GT: running work fails, and wedged is cleared. Legal while ACTIVE, and while FAILED so
   * that a resume can continue that only the GT had stopped.
   */
  async resetGt(): Promise<void> {
    if (this.claims.running) await this.claims.ended;
    await this.#wake();
    if (this.state === "FAILED") this.refuseSecond();
    else this.#requireFree("a reset of the GT");
    await this.#reset.run("reset", () => this.#parts.gt.reset().finally(() => this.#noteLost()));
    // A wedged device, or one being reset, does not suspend itself. Nobody else says when that has ended.
    this.runtime.noteIdle();
  }

  /**
   * Makes the device as new, from any state: waits for a running transition to end, then drops everything.
   */
  async resetFactory(): Promise<void> {
    if (this.claims.running) await this.claims.ended;
    this.#reset.requireNone();
    await this.#reset.run("reset", async () => {
      this.transitions.running?.requestCancel();
      await this.transitions.running?.ended(TRANSITION_END_WAIT_MS);
      if (this.transitions.running !== undefined) throw inProgress(this.transitions.running);
      const { gate } = this.#parts;
      gate.close(() => this.#stateError("SUSPENDING", "this call"));
      try {
        await runFactoryReset(this.#parts, () => {
          this.checksums = undefined;
        });
        this.sleepState = undefined;
        this.suspendCount = 0;
        this.transitions.madeNew();
        if (this.state !== "ACTIVE") this.enter("reset", "D0");
        else if (this.dState !== "D0") this.#setDState("D0");
        this.runtime.noteReset();
      } finally {
        if (this.state === "ACTIVE") {
          if (this.dState === "D0") gate.open();
          else this.#closeWhileAsleep();
        }
      }
    });
  }

  /** Brings a suspend to its end: SUSPENDED, or ACTIVE with everything undone. */
  async #suspend(transition: Transition, target: SuspendTarget): Promise<void> {
    const { gate, hibernation } = this.#parts;
    gate.close(() => this.#stateError(this.state, "this call"));
    const outcome = await suspendOrRecover(this.#parts, transition, target);
    if (outcome.failure === undefined) {
      this.checksums = outcome.checksums;
      this.suspendCount++;
      this.enter("suspended", target.dState);
    } else if (hibernation.image === "") {
      this.enter("recovered", "D0");
      this.sleepState = undefined;
    } else {
      // A device whose sealed image could not be abandoned must not continue, because the image would later
      // overwrite its new state.
      this.enter("failed", "D0");
    }
    this.#noteLost();
    this.transitions.finish(transition, outcome.failure);
    if (this.state === "ACTIVE") gate.open();
  }

  /** A lost card serves nobody, so the device is FAILED. */
  #noteLost(): void {
    if (!this.#parts.gt.link.lost || this.state !== "ACTIVE") return;
    this.#parts.gate.close(() => this.#stateError(this.state, "this call"));
    this.enter("failed", this.dState);
  }

  async #resume(transition: Transition, source: ResumeSource, fromActive: boolean): Promise<void> {
    const { gate, hibernation } = this.#parts;
    const { suspendCount } = this;
    const { failure, powerOn, compared } = await resumeOrKeep(this.#parts, transition, source);
    // Content that differed has been given up, and the rest is right. The next resume does not compare again.
    if (failure === undefined || compared) this.checksums = undefined;
    if (failure === undefined) {
      this.enter("resumed", "D0");
    } else if (powerOn) {
      this.enter("failed", "D0");
    } else if (fromActive) {
      await hibernation.release();
      await hibernation.drop();
      this.suspendCount = suspendCount;
      this.checksums = undefined;
      this.enter("imageRefused", "D0");
    } else {
      await hibernation.release();
      this.enter("powerNotOn", this.dState);
    }
    if (this.state === "ACTIVE") this.sleepState = undefined;
    this.transitions.finish(transition, failure);
    if (this.state === "ACTIVE") gate.open();
  }

  async #runtimeSuspend(how: RuntimeSleep): Promise<boolean> {
    const { gate } = this.#parts;
    const target = runtimeTarget(how);
    const transition = this.transitions.begin({ ...target, kind: "RUNTIME_SUSPEND" });
    this.#closeWhileAsleep();
    const outcome = await suspendOrRecover(this.#parts, transition, target);
    if (outcome.failure === undefined) {
      this.checksums = outcome.checksums;
      this.#setDState(how.dState);
    }
    this.transitions.finish(transition, outcome.failure);
    if (outcome.failure !== undefined) gate.open();
    return outcome.failure === undefined;
  }

  /** Each command waits and wakes the device. */
  #closeWhileAsleep(): void {
    this.#parts.gate.close(
      () => this.#stateError("SUSPENDING", "this call"),
      () => void this.runtime.wake().catch(rethrow),
    );
  }

  async #runtimeResume(): Promise<ResumeOutcome> {
    const { gate } = this.#parts;
    const transition = this.transitions.begin({
      kind: "RUNTIME_RESUME",
      sleepState: undefined,
      dState: "D0",
    });
    const source = { kept: this.dState === "D3HOT", allowDifferences: [], checksums: () => this.checksums };
    const outcome = await resumeOrKeep(this.#parts, transition, source);
    const { failure, powerOn, compared } = outcome;
    if (failure === undefined || compared) this.checksums = undefined;
    if (failure === undefined) {
      this.#setDState("D0");
      this.transitions.finish(transition, undefined);
      gate.open();
      return outcome;
    }
    if (powerOn) {
      gate.close(() => this.#stateError(this.state, "this call"));
      this.enter("failed", "D0");
    } else this.#setDState(this.dState);
    this.transitions.finish(transition, failure);
    gate.refuseHeld(failure);
    return outcome;
  }

  /** Waits until a device that suspended itself is awake or has failed to wake. */
  async #wake(): Promise<void> {
    this.#reset.requireNone();
    if (this.runtime.status !== "ACTIVE") await this.runtime.wake();
  }

  /** The caller must begin in the turn in which this ends. @throws DeviceError as `#requireFree` */
  async #requireAwake(what: string): Promise<void> {
    if (this.claims.running) await this.claims.ended;
    await this.#wake();
    this.#requireFree(what);
  }

  /**
   * The caller must begin in the same turn as this check.
   * @throws DeviceError unless the device is ACTIVE and free.
   */
  #requireFree(what: string): void {
    this.refuseSecond();
    if (this.state !== "ACTIVE") throw this.#stateError(this.state, what);
    if (this.dState === "D0") return;
    throw notWoken(this, what, this.runtime.wakeError);
  }

  #stateError(state: PowerState, what: string): DeviceError {
    return this.#parts.gt.link.lost
      ? deviceLost(what)
      : stateError(state, what, this.transitions.running?.id);
  }

  /** Why the device is out of use, if no transition says so. */
  get error(): DeviceResource["error"] {
    const error = this.#parts.gt.link.lost ? deviceLost() : this.runtime.wakeError;
    return error && { reason: error.reason, message: error.message };
  }

  /** Every change of powerState. */
  enter(event: PowerEvent, dState: DState): void {
    this.state = nextState(this.state, event);
    this.stateSinceNs = this.#parts.services.clock.wallNs();
    this.#setDState(dState);
  }

  #setDState(dState: DState): void {
    this.dState = dState;
    this.#parts.services.emit({ type: "powerState", state: this.state, dState });
  }

  /** @throws DeviceError TRANSITION_IN_PROGRESS while a reset or another transition runs. */
  refuseSecond(): void {
    this.#reset.requireNone();
    // A device that suspends itself is woken, so it blocks nobody.
    if (this.transitions.running === undefined || this.runtime.status !== "ACTIVE") return;
    throw inProgress(this.transitions.running);
  }
}
