/** One transition: times and counts its phases, ends it, and tells those who wait for it. */
import assert from "node:assert/strict";
import { type Clock, elapsedMs } from "../clock.ts";
import { DeviceError, toDeviceError } from "../errors.ts";
import type { CopyPath, EventSink } from "../events.ts";
import type { EnergyMeter } from "../hardware/energy-meter.ts";
import { TRANSITION_TIMEOUT_MS } from "../limits.ts";
import { Listeners } from "../listeners.ts";
import { emptyTally, type Tally } from "../memory/tally.ts";
import type {
  DState,
  PhaseName,
  PhaseRecord,
  SleepState,
  TransitionKind,
  TransitionResource,
  TransitionState,
} from "../resource.ts";
import { Trace } from "./trace.ts";

/** The counts of a running phase. */
export interface PhaseCounts {
  readonly evicted: Tally;
  readonly backedUp: Tally;
  readonly restored: Tally;
  /** Bytes and objects written to a hibernation image or read from it. */
  readonly imaged: Tally;
  skippedVolatile: number;
  /** Time spent on backups or restores. */
  backupNs: bigint;
}

interface RunningPhase {
  readonly name: PhaseName;
  readonly counts: PhaseCounts;
  readonly startTimeNs: bigint;
  readonly startNs: bigint;
}

export interface TransitionOptions {
  readonly id: string;
  readonly kind: TransitionKind;
  /** Undefined for runtime PM. */
  readonly sleepState: SleepState | undefined;
  readonly dState: DState;
  readonly clock: Clock;
  readonly emit: EventSink;
  readonly meter: EnergyMeter | undefined;
}

export class Transition {
  readonly id: string;
  readonly kind: TransitionKind;
  readonly sleepState: SleepState | undefined;
  readonly dState: DState;
  /** Until when CancelTransition is legal. */
  cancellable: boolean;
  wedged = false;
  recovered = false;
  /** The record of what it did, and when. */
  readonly trace: Trace;
  readonly #clock: Clock;
  readonly #emit: EventSink;
  readonly #startTimeNs: bigint;
  readonly #startNs: bigint;
  readonly #phases: PhaseRecord[] = [];
  readonly #evicted = emptyTally();
  readonly #backedUp = emptyTally();
  readonly #restored = emptyTally();
  readonly #meter: EnergyMeter | undefined;
  /** Where the energy of the next phase begins: phases add up to the transition, to the femtojoule. */
  #energyFrom: bigint | undefined;
  #phase: RunningPhase | undefined;
  #state: TransitionState = "RUNNING";
  #endTimeNs: bigint | undefined;
  #error: DeviceError | undefined;
  #canFail = true;
  #cancelRequested = false;
  readonly #cancelled = new Listeners();
  readonly #ended = new Listeners();

  constructor(options: TransitionOptions) {
    this.id = options.id;
    this.kind = options.kind;
    this.sleepState = options.sleepState;
    this.dState = options.dState;
    this.cancellable = options.kind === "SUSPEND" || options.kind === "RUNTIME_SUSPEND";
    this.#clock = options.clock;
    this.#emit = options.emit;
    this.#meter = options.meter;
    this.#energyFrom = options.meter?.read().energyFemtojoules;
    this.#startTimeNs = options.clock.wallNs();
    this.#startNs = options.clock.monotonicNs();
    this.trace = new Trace(options.clock);
  }

  get state(): TransitionState {
    return this.#state;
  }

  /** The error that ended it, naming the transition; undefined while running and after success. */
  get error(): DeviceError | undefined {
    return this.#error;
  }

  /** Runs one phase: times it, counts its copies, and reports its end and its error, if any. */
  async phase(name: PhaseName, work: (counts: PhaseCounts) => void | Promise<void>): Promise<void> {
    this.check();
    const counts: PhaseCounts = {
      evicted: emptyTally(),
      backedUp: emptyTally(),
      restored: emptyTally(),
      imaged: emptyTally(),
      skippedVolatile: 0,
      backupNs: 0n,
    };
    this.trace.phaseBegan(name);
    const startNs = this.#clock.monotonicNs();
    const running = { name, counts, startTimeNs: this.#wallNsAt(startNs), startNs };
    this.#phase = running;
    let failure: DeviceError | undefined;
    try {
      await work(counts);
    } catch (error) {
      failure = toDeviceError(error);
      throw error;
    } finally {
      const phase = this.#recordOf(running);
      this.#phase = undefined;
      this.#phases.push(phase);
      this.#energyFrom = addUp(this.#energyFrom, phase.energyFemtojoules);
      addObjectsAndBytes(this.#evicted, counts.evicted);
      addObjectsAndBytes(this.#backedUp, counts.backedUp);
      addObjectsAndBytes(this.#restored, counts.restored);
      this.trace.phaseEnded(phase);
      this.#emitCopies(name, counts);
      const error = failure && { reason: failure.reason, message: failure.message };
      this.#emit({ type: "phaseEnded", transition: this.describe(), phase, error });
    }
  }

  /** Asks a running suspend to stop. It stops at the next batch of objects. */
  requestCancel(): void {
    if (!this.#cancelRequested) this.trace.happened("cancel requested");
    this.#cancelRequested = true;
    this.#cancelled.tell();
  }

  /**
   * Called between any two steps at which the transition may stop.
   * @throws DeviceError TRANSITION_CANCELLED after a cancel, while it is still possible; DEADLINE_EXCEEDED
   * after TRANSITION_TIMEOUT_MS, while the transition can still fail.
   */
  check(): void {
    if (this.#cancelRequested && this.cancellable) {
      throw new DeviceError("TRANSITION_CANCELLED", `Transition ${this.id} was cancelled.`, {
        transition: this.id,
      });
    }
    if (!this.#canFail || elapsedMs(this.#startNs, this.#clock.monotonicNs()) < TRANSITION_TIMEOUT_MS) return;
    throw new DeviceError(
      "DEADLINE_EXCEEDED",
      `Transition ${this.id} did not end within ${TRANSITION_TIMEOUT_MS / 60_000} minutes.`,
      { transition: this.id },
    );
  }

  /**
   * From here on the transition continues to its end. For power_off, and for the steps that undo a failure.
   */
  commit(): void {
    this.cancellable = false;
    this.#canFail = false;
  }

  /** Calls `listener` at a cancel, or at once if one was requested before. Use it to end a wait early. */
  onCancel(listener: () => void): void {
    if (this.#cancelRequested) listener();
    else this.#cancelled.once(listener);
  }

  end(state: Exclude<TransitionState, "RUNNING">, error?: DeviceError): void {
    assert(this.#state === "RUNNING", "a transition ends once");
    if (error !== undefined) {
      const metadata = { ...error.metadata, transition: this.id };
      this.#error = new DeviceError(error.reason, error.message, metadata).because(error);
      this.trace.happened(state.toLowerCase(), { reason: error.reason, message: error.message });
    }
    this.trace.detach();
    this.#endTimeNs = this.#wallNsAt(this.#clock.monotonicNs());
    this.cancellable = false;
    this.#state = state;
    this.#emit({ type: "transitionEnded", transition: this.describe() });
    this.#ended.tell();
  }

  /** Resolves when the transition has ended, or after `waitMs`, whichever is first. */
  ended(waitMs: number | undefined): Promise<void> {
    if (this.#state !== "RUNNING" || waitMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = waitMs === undefined ? undefined : this.#clock.startTimer(waitMs, resolve);
      this.#ended.once(() => {
        timer?.cancel();
        resolve();
      });
    });
  }

  /** The transition as it is now, with the counts of the running phase so far. */
  describe(alreadyInState = false): TransitionResource {
    const running = this.#phase;
    const counts = running?.counts;
    const phases = running === undefined ? [...this.#phases] : [...this.#phases, this.#recordOf(running)];
    return {
      id: this.id,
      kind: this.kind,
      sleepState: this.sleepState,
      dState: this.dState,
      state: this.#state,
      alreadyInState,
      startTimeNs: this.#startTimeNs,
      endTimeNs: this.#endTimeNs,
      phases,
      energyFemtojoules:
        this.#meter && phases.reduce((sum, each) => sum + (each.energyFemtojoules ?? 0n), 0n),
      evictedObjects: this.#evicted.objects + (counts?.evicted.objects ?? 0),
      evictedBytes: this.#evicted.bytes + (counts?.evicted.bytes ?? 0),
      backupObjects: this.#backedUp.objects + (counts?.backedUp.objects ?? 0),
      backupBytes: this.#backedUp.bytes + (counts?.backedUp.bytes ?? 0),
      restoredObjects: this.#restored.objects + (counts?.restored.objects ?? 0),
      restoredBytes: this.#restored.bytes + (counts?.restored.bytes ?? 0),
      wedged: this.wedged,
      recovered: this.recovered,
      error: this.#error && { reason: this.#error.reason, message: this.#error.message },
    };
  }

  /**
   * Wall time of a monotonic moment, based on the one reading at the start. So the times of a transition and
   * its phases agree to the nanosecond, even if the wall clock is coarser or is set meanwhile.
   */
  #wallNsAt(monotonicNs: bigint): bigint {
    return this.#startTimeNs + (monotonicNs - this.#startNs);
  }

  /** A phase as it is now, with its counts so far. */
  #recordOf({ name, counts, startTimeNs, startNs }: RunningPhase): PhaseRecord {
    const tallies = [counts.evicted, counts.backedUp, counts.restored, counts.imaged];
    const sum = (pick: (tally: Tally) => number): number =>
      tallies.reduce((total, each) => total + pick(each), 0);
    return {
      phase: name,
      startTimeNs,
      durationNs: this.#clock.monotonicNs() - startNs,
      objects: sum((tally) => tally.objects),
      bytes: sum((tally) => tally.bytes),
      blitterBytes: sum((tally) => tally.blitterBytes),
      memcpyBytes: sum((tally) => tally.memcpyBytes),
      skippedVolatile: counts.skippedVolatile,
      energyFemtojoules: this.#energySince(),
    };
  }

  #energySince(): bigint | undefined {
    if (this.#meter === undefined || this.#energyFrom === undefined) return undefined;
    return this.#meter.read().energyFemtojoules - this.#energyFrom;
  }

  /**
   * Reports backups and restores by phase and path. Each path's share of the time follows its bytes, so that
   * bytes over seconds is a rate.
   */
  #emitCopies(phase: PhaseName, counts: PhaseCounts): void {
    const early = phase === "restore_early";
    for (const share of sharesOf(counts.backedUp, counts.backupNs))
      this.#emit({ type: "backedUp", ...share });
    for (const share of sharesOf(counts.restored, counts.backupNs))
      this.#emit({ type: "restored", early, ...share });
  }
}

interface Share {
  readonly path: CopyPath;
  readonly objects: number;
  readonly bytes: number;
  readonly durationNs: bigint;
}

/** Each path's share of a tally. The path with most of the bytes has all the objects. */
function sharesOf(tally: Tally, durationNs: bigint): Share[] {
  const paths = [
    { path: "blitter", bytes: tally.blitterBytes },
    { path: "memcpy", bytes: tally.memcpyBytes },
  ] as const;
  const most = tally.blitterBytes >= tally.memcpyBytes ? "blitter" : "memcpy";
  return paths
    .filter(({ bytes }) => bytes > 0)
    .map(({ path, bytes }) => ({
      path,
      bytes,
      objects: path === most ? tally.objects : 0,
      durationNs: (durationNs * BigInt(bytes)) / BigInt(tally.bytes),
    }));
}

function addUp(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

function addObjectsAndBytes(into: Tally, from: Tally): void {
  into.objects += from.objects;
  into.bytes += from.bytes;
}
