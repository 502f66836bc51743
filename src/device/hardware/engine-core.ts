/**
 * The fetch-execute loop of an engine, in steps. It knows neither thread nor clock: a form of the engine
 * calls `step` and `publish` in turn, the worker at machine speed and the in-process form under virtual time.
 *
 * The engine's thread owns it. Everything shared with others is in control memory and in the banks.
 */
import { CommandUnit } from "./command-unit.ts";
import { type ContextState, loadContext, saveContext } from "./context-image.ts";
import {
  ACK_SERIAL,
  BUSY_NS,
  COMPLETED,
  CONTEXT_ID,
  type ControlMemory,
  EVENT,
  FAULT,
  type HALT,
  MOVED_BYTES,
  PREEMPT,
  REQUEST,
  REQUEST_SERIAL,
  RING_HEAD,
  RUN,
  STATE,
  STATE_FAULTED,
  STATE_HALTED,
  STATE_IDLE,
  STATE_RUNNING,
  SUBMITTED,
  type Submission,
  TAKEN,
} from "./control.ts";
import { FAULTS, type Fault } from "./engine.ts";
import { isTrap } from "./microcode.ts";
import { MicrocodeSet } from "./microcode-set.ts";

/**
 * The result of a step. `idle`: nothing to do. `waiting`: a command waits, until `wakeAtNs` if that is known.
 * `halted` and `faulted`: nothing will happen before the next request.
 */
export type StepKind = "idle" | "progress" | "waiting" | "halted" | "faulted";

/** How many completions are published before the main thread is told, if more work follows. */
const COMPLETIONS_PER_EVENT = 64;

export interface EngineCoreOptions {
  readonly control: ControlMemory;
  readonly block: number;
  readonly banks: readonly WebAssembly.Memory[];
  /** Monotonic time in nanoseconds, the same on every thread. */
  readonly nowNs: () => bigint;
}

export class EngineCore {
  readonly #control: ControlMemory;
  readonly #block: number;
  readonly #nowNs: () => bigint;
  readonly #microcodes: MicrocodeSet;
  readonly #unit: CommandUnit;
  #ackSerial = 0;
  #halted = true;
  #fault: Fault = "NONE";
  #taken = 0;
  #completed = 0;
  #completedPublished = 0;
  #completedTold = 0;
  #context: ContextState | undefined;
  #imageBank = 0;
  #imageOffset = 0;
  #running = false;
  #ringTail = 0;
  /** The submissions have ended, and the engine is idle when that is published. */
  #ends = false;

  constructor(options: EngineCoreOptions) {
    this.#control = options.control;
    this.#block = options.block;
    this.#nowNs = options.nowNs;
    this.#microcodes = new MicrocodeSet(options.banks, options.control.memory);
    this.#unit = new CommandUnit({ ...options, microcodes: this.#microcodes });
  }

  /** Bytes that the last step copied and filled. The in-process form charges time for them. */
  get stepBytes(): number {
    return this.#unit.stepBytes;
  }

  /** When to step again after a step that is waiting; undefined if only a request can help. */
  get wakeAtNs(): bigint | undefined {
    return this.#unit.wakeAtNs;
  }

  /** Whether the main thread has a request that was not followed yet. */
  hasRequest(): boolean {
    return this.#load(REQUEST_SERIAL) !== this.#ackSerial;
  }

  /** Whether the next step would do something. */
  hasWork(): boolean {
    if (this.hasRequest()) return true;
    if (this.#halted || this.#fault !== "NONE") return false;
    return this.#running || this.#load(SUBMITTED) !== this.#taken;
  }

  /** Does a bounded piece of work. Others see its results only after `publish`. */
  step(): StepKind {
    this.#unit.beginStep();
    if (this.hasRequest() && this.#mayObey()) return this.#obey();
    if (this.#halted) return "halted";
    if (this.#fault !== "NONE") return "faulted";
    try {
      if (!this.#running && !this.#take()) return "idle";
      return this.#execute();
    } catch (error) {
      if (!isTrap(error)) throw error;
      this.#fault = "BUS_ERROR";
    }
    return "progress";
  }

  /** Publishes the results of the steps so far, and raises an event if somebody should look. */
  publish(): void {
    this.countMoved();
    if (this.#ends) {
      this.#endBusy();
      this.#store(STATE, STATE_IDLE);
    }
    if (this.#fault !== "NONE" && this.#load(FAULT) === 0) {
      this.#store(FAULT, FAULTS.indexOf(this.#fault));
      this.#store(STATE, STATE_FAULTED);
      this.#event();
    }
    if (this.#completed !== this.#completedPublished) {
      this.#completedPublished = this.#completed;
      this.#store(COMPLETED, this.#completed);
    }
    const untold = (this.#completed - this.#completedTold) | 0;
    if (untold === 0) return;
    // Completions must be reported before anything that may take long, so only short work may run unreported.
    const brief = this.#running || this.#load(SUBMITTED) !== this.#taken;
    if (brief && untold < COMPLETIONS_PER_EVENT && !this.#unit.stepIsFull && !this.#unit.waits) return;
    this.#completedTold = this.#completed;
    this.#event();
  }

  /** Adds what the last steps moved to the registers. Their time has passed, whether they count or not. */
  countMoved(): void {
    this.#unit.moved.take((pathIndex, bytes) => {
      const register = MOVED_BYTES + 2 * pathIndex;
      this.#control.store64(this.#block, register, this.#control.load64(this.#block, register) + bytes);
    });
  }

  /**
   * A preemption waits for the end of the command in progress; a halt does not. A hanging command ends only
   * for HALT.
   */
  #mayObey(): boolean {
    if (this.#load(REQUEST) !== PREEMPT) return true;
    return !this.#running || this.#fault !== "NONE" || this.#unit.isPreemptible;
  }

  #obey(): StepKind {
    const serial = this.#load(REQUEST_SERIAL);
    const request = this.#load(REQUEST);
    // Also between two submissions of one context, when nothing runs: the image is still as before the first.
    if (request === PREEMPT && this.#fault === "NONE") this.#save();
    this.#endBusy();
    this.#halted = request !== RUN;
    if (request !== PREEMPT) this.#fault = "NONE";
    this.#running = false;
    this.#context = undefined;
    this.#unit.forget();
    if (request === RUN) {
      this.#taken = 0;
      this.#completed = 0;
      this.#completedPublished = 0;
      this.#completedTold = 0;
    } else if (request === PREEMPT) {
      this.publish();
    }
    this.#ackSerial = serial;
    this.#store(STATE, this.#halted ? STATE_HALTED : STATE_IDLE);
    this.#store(ACK_SERIAL, serial);
    this.#event();
    return this.#halted ? "halted" : "progress";
  }

  /** Takes the next submission from the port and switches to its context. False if there is none. */
  #take(): boolean {
    if (this.#load(SUBMITTED) === this.#taken) return false;
    const submission = this.#control.readSubmission(this.#block, this.#taken);
    // Registers have 32 bits and wrap. So do the counts that are compared with them.
    this.#taken = (this.#taken + 1) | 0;
    this.#store(TAKEN, this.#taken);
    this.#store(STATE, STATE_RUNNING);
    this.#ends = false;
    this.#beginBusy();
    this.#running = true;
    this.#ringTail = submission.ringTail;
    this.#switchTo(submission);
    return true;
  }

  #switchTo(submission: Submission): void {
    const { imageBank, imageOffsetBytes } = submission;
    const same = imageBank === this.#imageBank && imageOffsetBytes === this.#imageOffset;
    if (this.#context !== undefined && same) return;
    this.#imageBank = imageBank;
    this.#imageOffset = imageOffsetBytes;
    const words = this.#unit.bank(imageBank);
    this.#context = loadContext(words, imageOffsetBytes, this.#microcodes.within(imageBank));
    if (this.#context === undefined) {
      this.#fault = "CONTEXT_CORRUPT";
      return;
    }
    this.#store(CONTEXT_ID, this.#context.contextId);
    this.#unit.load(this.#context, { bank: imageBank, offsetBytes: imageOffsetBytes });
  }

  #execute(): StepKind {
    const context = this.#context;
    if (context === undefined) return "progress";
    const outcome = this.#unit.runUntil(context, this.#ringTail);
    this.#store(RING_HEAD, context.head);
    if (outcome === "waiting") return "waiting";
    if (outcome !== "progress") this.#fault = outcome;
    else if (context.head === this.#ringTail) this.#finish();
    return "progress";
  }

  /**
   * The submission is done. Unless the same context continues, its image is saved before anybody learns of
   * it.
   */
  #finish(): void {
    this.#running = false;
    this.#completed = (this.#completed + 1) | 0;
    const more = this.#load(SUBMITTED) !== this.#taken;
    if (more) {
      const next = this.#control.readSubmission(this.#block, this.#taken);
      if (next.imageBank === this.#imageBank && next.imageOffsetBytes === this.#imageOffset) return;
    }
    this.#save();
    this.#context = undefined;
    this.#ends = !more;
  }

  #save(): void {
    if (this.#context === undefined) return;
    this.#unit.suspendSpin(this.#context);
    const words = this.#unit.bank(this.#imageBank);
    const microcode = this.#microcodes.within(this.#imageBank);
    saveContext({ words, offsetBytes: this.#imageOffset, microcode }, this.#context);
  }

  #beginBusy(): void {
    const busyNs = this.#control.load64(this.#block, BUSY_NS);
    if (busyNs >= 0n) this.#control.store64(this.#block, BUSY_NS, busyNs - this.#nowNs() - 1n);
  }

  #endBusy(): void {
    this.#ends = false;
    const busyNs = this.#control.load64(this.#block, BUSY_NS);
    if (busyNs < 0n) this.#control.store64(this.#block, BUSY_NS, this.#nowNs() + busyNs + 1n);
  }

  #event(): void {
    const word = this.#control.register(this.#block, EVENT);
    Atomics.add(this.#control.words, word, 1);
    Atomics.notify(this.#control.words, word);
  }

  #load(register: number): number {
    return Atomics.load(this.#control.words, this.#control.register(this.#block, register));
  }

  #store(register: number, value: number): void {
    Atomics.store(this.#control.words, this.#control.register(this.#block, register), value);
  }
}

/** The request register. Any value other than RUN and PREEMPT means HALT. */
export type Request = typeof RUN | typeof HALT | typeof PREEMPT;
